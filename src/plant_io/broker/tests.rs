use super::*;
use crate::image::{PointId, ProcessImage};
use crate::mqtt::clock::Clock;
use crate::mqtt::{self, LinkState, MqttHandle, settings};
use crate::problem::parse_table;
use memg_core::measurement::Quality;
use rumqttc::{AsyncClient, Event, EventLoop, LastWill, MqttOptions, Packet, Publish, PublishOptions, QoS};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;

fn gateway(address: SocketAddr) -> (MqttHandle, ProcessImage, watch::Sender<bool>) {
    let text = format!(
        "[mqtt]\nhost = '127.0.0.1'\nport = {}\nclient_id = 'gateway'\nprefix = 'memg/demo'\n[[mqtt.inputs]]\n
         topic = 'plant/soc'\nsignal = 'soc'\nraw = true\nunit = '%'\nrange = [0, 1]",
        address.port()
    );
    let table = parse_table(&text).unwrap().remove("mqtt").unwrap();
    let settings = settings::validate(table, &|_| None).unwrap();
    let image = ProcessImage::new([Duration::from_secs(15)]);
    let (stop, stopped) = watch::channel(false);
    let (events, _) = mpsc::channel(1);
    let mqtt = mqtt::spawn(
        settings,
        image.clone(),
        mqtt::Places { points: &[PointId(0)], series: &[] },
        events,
        Clock::system(),
        stopped,
    );
    (mqtt, image, stop)
}

/// The next message on a topic; other traffic is passed over.
async fn message(client: &mut EventLoop, topic: &str) -> Publish {
    loop {
        if let Event::Incoming(Packet::Publish(publish)) = client.poll().await.unwrap()
            && publish.topic == topic.as_bytes()
        {
            return publish;
        }
    }
}

async fn scene() {
    let address = start().await.unwrap();
    let (mut gateway, image, stop) = gateway(address);
    gateway.link.wait_for(|link| *link == LinkState::Up).await.unwrap();
    gateway.publisher.set("state", &1);

    let options = MqttOptions::new("viewer", ("127.0.0.1", address.port()));
    let (viewer, mut events) = AsyncClient::builder(options).capacity(10).build();
    viewer.subscribe("memg/demo/#", QoS::AtLeastOnce).await.unwrap();
    assert_eq!(&message(&mut events, "memg/demo/state").await.payload[..], b"1");
    viewer.publish("plant/soc", "50", PublishOptions::at_least_once()).await.unwrap();
    let soc = || image.freeze(Clock::system().now().mono, &[PointId(0)])[0];
    while (soc().value, soc().quality) != (Some(0.5), Quality::Good) {
        let _ = timeout(Duration::from_millis(10), events.poll()).await;
    }
    stop.send_replace(true);
    let offline = message(&mut events, "memg/demo/status").await;
    assert!(String::from_utf8_lossy(&offline.payload).contains("stopped"));
}

#[tokio::test]
async fn values_commands_and_good_bye_go_through_the_demonstration_broker() {
    timeout(Duration::from_secs(30), scene()).await.unwrap();
}

#[tokio::test]
async fn two_brokers_get_two_ports() {
    assert_ne!(start().await.unwrap(), start().await.unwrap());
}

/// A client that is connected.
async fn client(address: SocketAddr, id: &str, will: Option<LastWill>) -> (AsyncClient, EventLoop) {
    let mut options = MqttOptions::new(id, ("127.0.0.1", address.port()));
    options.set_max_packet_size(300_000, 300_000);
    if let Some(will) = will {
        options.set_last_will(will);
    }
    let (client, mut events) = AsyncClient::builder(options).capacity(100).build();
    until(&mut events, |packet| matches!(packet, Packet::ConnAck(_))).await;
    (client, events)
}

/// The first packet of a kind; others are passed over.
async fn until(events: &mut EventLoop, wanted: impl Fn(&Packet) -> bool) -> Packet {
    loop {
        match events.poll().await.unwrap() {
            Event::Incoming(packet) if wanted(&packet) => return packet,
            _ => {}
        }
    }
}

async fn subscribed(client: &AsyncClient, events: &mut EventLoop, filter: &str, qos: QoS) {
    client.subscribe(filter, qos).await.unwrap();
    until(events, |packet| matches!(packet, Packet::SubAck(_))).await;
}

async fn sent(client: &AsyncClient, events: &mut EventLoop, topic: &str, text: &str, options: PublishOptions) {
    client.publish(topic, text.to_owned(), options).await.unwrap();
    until(events, |packet| matches!(packet, Packet::PubAck(_) | Packet::PubComp(_))).await;
}

async fn within<T>(scene: impl Future<Output = T>) -> T {
    timeout(Duration::from_secs(30), scene).await.unwrap()
}

#[tokio::test]
async fn what_is_retained_reaches_those_who_come_later_until_it_is_emptied() {
    within(async {
        let address = start().await.unwrap();
        let (first, mut first_events) = client(address, "first", None).await;
        for (topic, text) in [("a/1", "one"), ("a/2", "two"), ("a/1", "ten"), ("a/2", "")] {
            sent(&first, &mut first_events, topic, text, PublishOptions::at_least_once().retain(true)).await;
        }
        let (late, mut events) = client(address, "late", None).await;
        late.subscribe("a/+", QoS::AtLeastOnce).await.unwrap();
        let kept = message(&mut events, "a/1").await;
        assert_eq!((&kept.payload[..], kept.retain), (&b"ten"[..], true));
        sent(&first, &mut first_events, "a/2", "live", PublishOptions::at_least_once()).await;
        let live = message(&mut events, "a/2").await;
        assert_eq!((&live.payload[..], live.retain), (&b"live"[..], false), "the emptied one was not kept");
    })
    .await;
}

#[tokio::test]
async fn a_message_comes_at_the_lesser_of_both_qualities_and_exactly_once_comes_once() {
    within(async {
        let address = start().await.unwrap();
        let (sender, mut sender_events) = client(address, "sender", None).await;
        let (reader, mut events) = client(address, "reader", None).await;
        subscribed(&reader, &mut events, "a/#", QoS::ExactlyOnce).await;
        subscribed(&reader, &mut events, "b", QoS::AtMostOnce).await;
        sent(&sender, &mut sender_events, "a/x", "twice acknowledged", PublishOptions::exactly_once()).await;
        assert_eq!(message(&mut events, "a/x").await.qos, QoS::AtLeastOnce);
        sent(&sender, &mut sender_events, "b", "plain", PublishOptions::at_least_once()).await;
        let next = until(&mut events, |packet| matches!(packet, Packet::Publish(_))).await;
        let Packet::Publish(next) = next else { unreachable!() };
        assert_eq!((&next.topic[..], next.qos), (&b"b"[..], QoS::AtMostOnce), "nothing came a second time");
    })
    .await;
}

#[tokio::test]
async fn the_last_will_of_a_client_that_breaks_off_is_published_and_that_of_one_that_says_good_bye_is_not() {
    within(async {
        let address = start().await.unwrap();
        let (reader, mut events) = client(address, "reader", None).await;
        subscribed(&reader, &mut events, "will/#", QoS::AtLeastOnce).await;
        let will = |topic: &str| Some(LastWill::new(topic, "gone", QoS::AtLeastOnce, false));
        let (polite, mut polite_events) = client(address, "polite", will("will/polite")).await;
        polite.disconnect().await.unwrap();
        while polite_events.poll().await.is_ok() {}
        let (_rude, rude_events) = client(address, "rude", will("will/rude")).await;
        drop(rude_events);
        let first = until(&mut events, |packet| matches!(packet, Packet::Publish(_))).await;
        assert!(matches!(first, Packet::Publish(publish) if &publish.topic[..] == b"will/rude"));
    })
    .await;
}

#[tokio::test]
async fn of_two_clients_with_one_name_the_later_stays() {
    within(async {
        let address = start().await.unwrap();
        let (_old, mut old_events) = client(address, "same", None).await;
        let (new, mut events) = client(address, "same", None).await;
        while old_events.poll().await.is_ok() {}
        subscribed(&new, &mut events, "x", QoS::AtMostOnce).await;
    })
    .await;
}

#[tokio::test]
async fn rubbish_ends_its_connection_and_nobody_elses() {
    within(async {
        let address = start().await.unwrap();
        let (reader, mut events) = client(address, "reader", None).await;
        subscribed(&reader, &mut events, "x", QoS::AtMostOnce).await;
        let greeting = [0x10, 13, 0, 4, b'M', b'Q', b'T', b'T', 4, 2, 0, 0, 0, 1, b'r'];
        let rubbish: [&[u8]; 5] = [
            b"GET / HTTP/1.1\r\n\r\n",
            &[0xff; 64],
            &[0x10, 0xff, 0xff, 0xff, 0x7f],
            &[0x30, 3, 0, 1, b'x'],
            &[0xc0, 0],
        ];
        for bytes in rubbish {
            let mut stream = TcpStream::connect(address).await.unwrap();
            stream.write_all(bytes).await.unwrap();
            let mut answer = Vec::new();
            let _ = stream.read_to_end(&mut answer).await;
            assert_eq!(answer, b"", "{bytes:?}");
        }
        // A second greeting, a topic with a wildcard, a subscription to nothing.
        let wrong: [&[u8]; 3] = [&greeting, &[0x30, 3, 0, 1, b'#'], &[0x82, 2, 0, 1]];
        for bytes in wrong {
            let mut stream = TcpStream::connect(address).await.unwrap();
            stream.write_all(&greeting).await.unwrap();
            let mut welcome = [0; 4];
            stream.read_exact(&mut welcome).await.unwrap();
            assert_eq!(welcome, [0x20, 2, 0, 0]);
            stream.write_all(bytes).await.unwrap();
            let mut answer = Vec::new();
            let _ = stream.read_to_end(&mut answer).await;
            assert_eq!(answer, b"", "{bytes:?}");
        }
        reader.publish("x", "still here", PublishOptions::at_most_once()).await.unwrap();
        assert_eq!(&message(&mut events, "x").await.payload[..], b"still here");
    })
    .await;
}

#[tokio::test]
async fn a_client_that_reads_nothing_is_cut_off_and_delays_nobody() {
    within(async {
        let address = start().await.unwrap();
        let mut idle = TcpStream::connect(address).await.unwrap();
        let greeting = [0x10, 13, 0, 4, b'M', b'Q', b'T', b'T', 4, 2, 0, 0, 0, 1, b'i'];
        idle.write_all(&[&greeting[..], &[0x82, 6, 0, 1, 0, 1, b'#', 0]].concat()).await.unwrap();
        let (sender, mut events) = client(address, "sender", None).await;
        subscribed(&sender, &mut events, "own", QoS::AtMostOnce).await;
        let large = "x".repeat(200_000);
        for _ in 0..200 {
            sent(&sender, &mut events, "large", &large, PublishOptions::at_least_once()).await;
        }
        for _ in 0..6000 {
            sent(&sender, &mut events, "small", "x", PublishOptions::at_least_once()).await;
        }
        let mut sink = Vec::new();
        let _ = idle.read_to_end(&mut sink).await;
        let small = sink.windows(5).filter(|bytes| bytes == b"small").count();
        assert!(small < 6000, "its packets ended after {small}");
        sender.publish("own", "x", PublishOptions::at_most_once()).await.unwrap();
        message(&mut events, "own").await;
    })
    .await;
}
