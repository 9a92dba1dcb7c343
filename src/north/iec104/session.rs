//! One connection of a master: octets to frames and back, the link's clock, orders on their way to the desk.
//!
//! Nothing here grows: while too much waits to be sent nothing more is read, changes are told when there is room and not before
//! (a master that is slow misses what came between), and orders wait in a short queue.

use crate::asdu::{Sign, cause, mirror};
use crate::link::{Broken, Control, Function, Heard, Link, T1};
use crate::station::{Order, Reaction, Station};
use memg_listener::Complaints;
use memg_north::desk::Principal;
use memg_north::wires::Wires;
use std::collections::VecDeque;
use std::net::IpAddr;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until, timeout};

/// First octet of every frame.
const START: u8 = 0x68;
/// Octets after the first two: the control field at least, and what one octet can say less two.
const LENGTHS: std::ops::RangeInclusive<usize> = 4..=253;
const CONTROL_OCTETS: usize = 4;
/// While so many ASDUs wait nothing more is read.
const WAITING_MAX: usize = 64;
/// While so many octets are not looked at nothing more is read.
const UNREAD_MAX: usize = 4096;
/// Orders of one master that wait for the desk.
const ORDERS_MAX: usize = 16;
/// Without a cycle for so long what was known is old.
const STALE_AFTER: Duration = Duration::from_secs(30);

/// Who is connected.
#[derive(Debug, Clone)]
pub(crate) struct Master {
    pub peer: IpAddr,
    pub by: Principal,
}

/// Why a connection ends.
enum End {
    Broken(Broken),
    Closed,
}

impl From<Broken> for End {
    fn from(broken: Broken) -> Self {
        Self::Broken(broken)
    }
}

impl From<std::io::Error> for End {
    fn from(_: std::io::Error) -> Self {
        Self::Closed
    }
}

struct Session<S> {
    stream: S,
    link: Link,
    station: Station,
    address: u16,
    unread: Vec<u8>,
    waiting: VecDeque<Vec<u8>>,
    orders: mpsc::Sender<Order>,
    master: Master,
    complaints: Complaints,
}

/// Serves a master until it goes, breaks the protocol, or the gateway stops.
pub(crate) async fn serve<S>(stream: S, wires: Wires, address: u16, master: Master, complaints: Complaints)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let (orders, queue) = mpsc::channel(ORDERS_MAX);
    let (answer, answers) = mpsc::channel(ORDERS_MAX);
    // On its own: an order that is under way is carried to its end, and noted by the desk, whoever hangs up.
    tokio::spawn(carry_out(queue, answer, wires.clone(), master.by.clone(), address));
    let session = Session {
        stream,
        link: Link::new(Instant::now()),
        station: Station::new(wires.clone(), address, master.by.clone()),
        address,
        unread: Vec::new(),
        waiting: VecDeque::new(),
        orders,
        master: master.clone(),
        complaints: complaints.clone(),
    };
    if let Err(End::Broken(broken)) = session.run(&wires, answers).await {
        complaints.about(broken.says(), &master.peer.to_string());
    }
}

async fn carry_out(
    mut queue: mpsc::Receiver<Order>,
    answer: mpsc::Sender<Reaction>,
    wires: Wires,
    by: Principal,
    address: u16,
) {
    while let Some(order) = queue.recv().await {
        let reaction = Station::carry_out(&wires, &by, address, order).await;
        // Whoever hung up needs no confirmation.
        let _ = answer.send(reaction).await;
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Session<S> {
    async fn run(mut self, wires: &Wires, mut answers: mpsc::Receiver<Reaction>) -> Result<(), End> {
        let mut live = wires.live.clone();
        let mut fresh_until = Instant::now() + STALE_AFTER;
        loop {
            self.frames().await?;
            self.tell_changes();
            self.flush().await?;
            let may_read = self.waiting.len() < WAITING_MAX && self.unread.len() < UNREAD_MAX;
            let wake = self.link.due().min(fresh_until);
            tokio::select! {
                read = self.stream.read_buf(&mut self.unread), if may_read => {
                    if read? == 0 {
                        return Ok(());
                    }
                }
                Some(reaction) = answers.recv() => self.react(reaction),
                changed = live.changed() => {
                    if changed.is_err() {
                        return Ok(());
                    }
                    live.borrow_and_update();
                    fresh_until = Instant::now() + STALE_AFTER;
                    self.station.set_stale(false);
                }
                () = sleep_until(wake) => {}
            }
            let now = Instant::now();
            if now >= fresh_until {
                self.station.set_stale(true);
                fresh_until = now + STALE_AFTER;
            }
            while let Some(control) = self.link.tick(now)? {
                self.write(control, &[]).await?;
            }
        }
    }

    /// Takes every whole frame, as long as there is room for answers.
    async fn frames(&mut self) -> Result<(), End> {
        while self.waiting.len() < WAITING_MAX {
            let Some((control, asdu)) = next_frame(&mut self.unread)? else { return Ok(()) };
            let now = Instant::now();
            match self.link.receive(control, now)? {
                Heard::Nothing => {}
                Heard::Data => {
                    let reaction = self.station.take(&asdu, now)?;
                    self.react(reaction);
                }
                Heard::Answer(frames) => {
                    if control == Control::Unnumbered(Function::StartAct) {
                        self.waiting.clear();
                        self.station.start();
                    }
                    for frame in frames {
                        self.write(frame, &[]).await?;
                    }
                }
            }
        }
        Ok(())
    }

    fn react(&mut self, reaction: Reaction) {
        if let Some(why) = &reaction.refused {
            let Master { peer, by } = &self.master;
            self.complaints.about("a command was refused", &format!("{peer} {}: {why}", by.name));
        }
        self.waiting.extend(reaction.answers);
        let Some(order) = reaction.order else { return };
        if let Err(refused) = self.orders.try_send(order) {
            let order = refused.into_inner();
            let busy = mirror(order.octets(), cause::ACTIVATION_CON, Sign::Negative, self.address);
            self.waiting.push_back(busy);
        }
    }

    /// When nothing waits: what has changed since it was told last.
    fn tell_changes(&mut self) {
        if self.waiting.is_empty() && self.link.may_send() {
            self.waiting.extend(self.station.changes());
        }
    }

    async fn flush(&mut self) -> Result<(), End> {
        while self.link.may_send() {
            let Some(asdu) = self.waiting.pop_front() else { return Ok(()) };
            let control = self.link.send(Instant::now());
            self.write(control, &asdu).await?;
        }
        Ok(())
    }

    async fn write(&mut self, control: Control, asdu: &[u8]) -> Result<(), End> {
        // An ASDU has at most 249 octets (objects.rs); a mirror is as long as what came.
        let length = u8::try_from(CONTROL_OCTETS + asdu.len()).map_err(|_| Broken::Garbage)?;
        let frame = [&[START, length], &control.octets()[..], asdu].concat();
        timeout(T1, self.stream.write_all(&frame)).await.map_err(|_| Broken::Unanswered)??;
        Ok(timeout(T1, self.stream.flush()).await.map_err(|_| Broken::Unanswered)??)
    }
}

/// The first whole frame, which is taken away; `None`: there is none yet.
fn next_frame(unread: &mut Vec<u8>) -> Result<Option<(Control, Vec<u8>)>, Broken> {
    let Some((start, rest)) = unread.split_first() else { return Ok(None) };
    if *start != START {
        return Err(Broken::Garbage);
    }
    let Some((length, rest)) = rest.split_first() else { return Ok(None) };
    let length = usize::from(*length);
    if !LENGTHS.contains(&length) {
        return Err(Broken::Garbage);
    }
    let Some(frame) = rest.get(..length) else { return Ok(None) };
    let (control, asdu) = frame.split_first_chunk::<CONTROL_OCTETS>().ok_or(Broken::Garbage)?;
    let control = Control::read(*control).ok_or(Broken::Garbage)?;
    let asdu = asdu.to_vec();
    if matches!(control, Control::Data { .. }) == asdu.is_empty() {
        return Err(Broken::Garbage);
    }
    unread.drain(..2 + length);
    Ok(Some((control, asdu)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_cut_from_octets_as_they_come_and_garbage_is_none() {
        let two = [0x68, 4, 0x43, 0, 0, 0, 0x68, 14, 0, 0, 0, 0, 100, 1, 6, 0, 1, 0, 0, 0, 0, 20];
        let mut unread = Vec::new();
        let mut frames = Vec::new();
        for octet in two {
            unread.push(octet);
            frames.extend(next_frame(&mut unread).unwrap());
        }
        let [(test, none), (data, asdu)] = frames.try_into().unwrap();
        assert_eq!((test, none.len()), (Control::Unnumbered(Function::TestAct), 0));
        assert_eq!((data, asdu), (Control::Data { sent: 0, expected: 0 }, two[12..].to_vec()));
        let garbage: [&[u8]; 5] =
            [b"GET", &[0x68, 3], &[0x68, 254], &[0x68, 4, 0, 0, 0, 0], &[0x68, 5, 0x43, 0, 0, 0, 1]];
        for octets in garbage {
            assert_eq!(next_frame(&mut octets.to_vec()).err(), Some(Broken::Garbage), "{octets:?}");
        }
    }
}
