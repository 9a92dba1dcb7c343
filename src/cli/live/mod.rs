//! The live view: a screen in a terminal that draws itself anew with every cycle, plain lines elsewhere.
//!
//! It looks on and commands nothing. Colour is for alarms alone; whatever colour says, a shape and a word say, too.

mod alarms;
mod line;
mod marks;
mod plan;
mod plant;
mod rows;
mod screen;
#[cfg(test)]
mod tests;
mod texts;

use memg_core::equipment::Plant;
use memg_daemon::view::View;
use ratatui::DefaultTerminal;
use ratatui::crossterm::event::{Event, KeyCode, KeyEvent, KeyModifiers, poll, read};
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

/// Least time between two pictures.
const REDRAW: Duration = Duration::from_millis(200);
/// Without news a picture is made all the same, so that it shows how old it is.
const AGE: Duration = Duration::from_secs(1);
/// The keyboard's thread looks so often whether it is needed any more.
const LISTEN: Duration = Duration::from_millis(200);

/// What a screen shows beside the views.
#[derive(Debug, Clone)]
pub(super) struct Screen {
    /// Name of the site.
    pub site: String,
    /// Its plant: bars end at its ratings.
    pub plant: Plant,
    /// How to log in at the operator's station, where the demonstration made it up.
    pub log_in: Option<String>,
}

/// What a key asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Key {
    Stop,
    Previous,
    Next,
    /// The screen is drawn anew from nothing: another program may have written on it.
    Repaint,
}

/// Whether this program is in front. One in the background would be stopped, control and all, when it changes the terminal's mode.
pub(super) fn has_terminal() -> bool {
    let in_front = rustix::termios::tcgetpgrp(std::io::stdin());
    in_front.is_ok_and(|group| group == rustix::process::getpgrp())
}

/// Shows views until their sender is gone. With a screen Ctrl-C is a key like others: `stop` is called for it.
pub(super) async fn show(views: watch::Receiver<View>, screen: Option<Screen>, quiet: bool, stop: impl Fn()) {
    let terminal = screen.as_ref().map(|_| ratatui::try_init());
    match (screen, terminal) {
        (Some(screen), Some(Ok(terminal))) => {
            pictures(views, &screen, terminal, stop).await;
            ratatui::restore();
        }
        _ => lines(views, quiet).await,
    }
}

/// Gives the terminal back as it was; without effect if there is no screen.
pub(super) fn restore() {
    ratatui::restore();
}

async fn lines(mut views: watch::Receiver<View>, quiet: bool) {
    while views.changed().await.is_ok() {
        let view = views.borrow_and_update().clone();
        if let Some(line) = line::of(&view).filter(|_| !quiet) {
            println!("{line}");
        }
    }
}

async fn pictures(mut views: watch::Receiver<View>, screen: &Screen, mut terminal: DefaultTerminal, stop: impl Fn()) {
    // Not every terminal gives an empty second screen.
    let _ = terminal.clear();
    let (keys_in, mut keys) = mpsc::channel(16);
    std::thread::spawn(move || listen(&keys_in));
    let mut chosen: Option<usize> = None;
    loop {
        let view = views.borrow_and_update().clone();
        let age = view.taken.map(|taken| Instant::now().saturating_duration_since(taken));
        // A closed terminal is no reason to stop controlling.
        let _ = terminal.draw(|frame| screen::draw(frame, screen, &view, age.unwrap_or_default(), &mut chosen));
        tokio::select! {
            changed = views.changed() => match changed {
                Ok(()) => tokio::time::sleep(REDRAW).await,
                Err(_) => break,
            },
            Some(key) = keys.recv() => match key {
                Key::Stop => stop(),
                Key::Previous => chosen = Some(chosen.map_or(0, |chosen| chosen.saturating_sub(1))),
                Key::Next => chosen = Some(chosen.map_or(0, |chosen| chosen + 1)),
                Key::Repaint => drop(terminal.clear()),
            },
            () = tokio::time::sleep(AGE) => {}
        }
    }
}

/// Hands keys on until nobody takes them. Its own thread: reading a terminal blocks.
fn listen(keys: &mpsc::Sender<Key>) {
    while !keys.is_closed() {
        let found = match poll(LISTEN) {
            Ok(true) => read(),
            Ok(false) => continue,
            Err(_) => return,
        };
        match found {
            Ok(Event::Key(pressed)) if pressed.is_press() => drop(key(pressed).map(|key| keys.try_send(key))),
            Ok(Event::Resize(..)) => drop(keys.try_send(Key::Repaint)),
            Ok(_) => {}
            Err(_) => return,
        }
    }
}

fn key(pressed: KeyEvent) -> Option<Key> {
    let control = pressed.modifiers.contains(KeyModifiers::CONTROL);
    match pressed.code {
        KeyCode::Char('c') if control => Some(Key::Stop),
        KeyCode::Char('l') if control => Some(Key::Repaint),
        KeyCode::Up => Some(Key::Previous),
        KeyCode::Down => Some(Key::Next),
        _ => None,
    }
}
