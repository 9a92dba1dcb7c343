//! Recorded frames and what the guard makes of them.

use super::*;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};

/// Transaction 7, unit 1, function 3, address 0, two registers.
const READ: [u8; 12] = [0, 7, 0, 0, 0, 6, 1, 3, 0, 0, 0, 2];
/// Its answer: 0x1234, 0x5678.
const READ_ANSWER: [u8; 13] = [0, 7, 0, 0, 0, 7, 1, 3, 4, 0x12, 0x34, 0x56, 0x78];
/// Its refusal: exception 2.
const READ_REFUSED: [u8; 9] = [0, 7, 0, 0, 0, 3, 1, 0x83, 2];
/// Transaction 8, unit 1, function 6, address 5, value 0x0102; the answer is its echo.
const WRITE: [u8; 12] = [0, 8, 0, 0, 0, 6, 1, 6, 0, 5, 1, 2];
/// Unit 1, function 3, address 0, one register, checksum.
const RTU_READ: [u8; 8] = [1, 3, 0, 0, 0, 1, 0x84, 0x0A];
/// Its answer: 0x002A, checksum.
const RTU_ANSWER: [u8; 7] = [1, 3, 2, 0, 0x2A, 0x39, 0x9B];

async fn exchange(framing: Framing, request: &[u8], answer: &[u8]) -> io::Result<Vec<u8>> {
    let (near, mut far) = duplex(1024);
    let mut guard = Guard::new(near, framing);
    guard.write_all(request).await?;
    far.write_all(answer).await?;
    receive(&mut guard).await
}

async fn receive(guard: &mut Guard<DuplexStream>) -> io::Result<Vec<u8>> {
    let mut received = vec![0; 64];
    let count = guard.read(&mut received).await?;
    received.truncate(count);
    Ok(received)
}

fn changed(frame: &[u8], position: usize, byte: u8) -> Vec<u8> {
    let mut frame = frame.to_vec();
    frame[position] = byte;
    frame
}

#[tokio::test]
async fn the_right_answers_pass_unchanged() {
    for (framing, request, answer) in [
        (Framing::Tcp, &READ[..], &READ_ANSWER[..]),
        (Framing::Tcp, &READ[..], &READ_REFUSED[..]),
        (Framing::Tcp, &WRITE[..], &WRITE[..]),
        (Framing::Rtu, &RTU_READ[..], &RTU_ANSWER[..]),
    ] {
        assert_eq!(exchange(framing, request, answer).await.ok().as_deref(), Some(answer));
    }
}

#[tokio::test]
async fn every_foreign_answer_is_refused_with_its_reason() {
    let mut long = READ_ANSWER.to_vec();
    long.push(0);
    for (framing, request, answer, reason) in [
        (Framing::Tcp, &READ[..], changed(&READ_ANSWER, 1, 6), "another transaction"),
        (Framing::Tcp, &READ[..], changed(&READ_ANSWER, 3, 1), "not Modbus"),
        (Framing::Tcp, &READ[..], changed(&READ_ANSWER, 4, 0xFF), "wrong length"),
        (Framing::Tcp, &READ[..], changed(&READ_ANSWER, 5, 9), "wrong length"),
        (Framing::Tcp, &READ[..], changed(&READ_REFUSED, 5, 7), "wrong length"),
        (Framing::Tcp, &READ[..], changed(&READ_ANSWER, 6, 2), "another unit"),
        (Framing::Tcp, &READ[..], changed(&READ_ANSWER, 7, 4), "another function"),
        (Framing::Tcp, &READ[..], changed(&READ_ANSWER, 8, 2), "number of bytes"),
        (Framing::Tcp, &READ[..], long, "too long"),
        (Framing::Tcp, &WRITE[..], changed(&WRITE, 9, 6), "echo"),
        (Framing::Tcp, &WRITE[..], changed(&WRITE, 11, 3), "echo"),
        (Framing::Rtu, &RTU_READ[..], changed(&RTU_ANSWER, 0, 2), "another unit"),
        (Framing::Rtu, &RTU_READ[..], changed(&RTU_ANSWER, 1, 4), "another function"),
        (Framing::Rtu, &RTU_READ[..], changed(&RTU_ANSWER, 2, 4), "number of bytes"),
        (Framing::Rtu, &RTU_READ[..], changed(&RTU_ANSWER, 4, 0x2B), "checksum"),
    ] {
        let error = exchange(framing, request, &answer).await.expect_err(reason).to_string();
        assert!(error.contains(reason), "{error:?} should say {reason:?}");
    }
}

#[tokio::test]
async fn bytes_left_from_before_are_not_taken_for_an_answer() {
    let (near, mut far) = duplex(1024);
    let mut guard = Guard::new(near, Framing::Rtu);
    far.write_all(&RTU_ANSWER).await.expect("room");
    let error = guard.write_all(&RTU_READ).await.expect_err("a late answer lies there");
    assert!(error.to_string().contains("nobody asked"));
}

#[tokio::test]
async fn a_closed_connection_is_noticed_before_sending() {
    let (near, far) = duplex(1024);
    let mut guard = Guard::new(near, Framing::Tcp);
    drop(far);
    assert_eq!(guard.write_all(&READ).await.expect_err("closed").kind(), ErrorKind::ConnectionReset);
}

#[tokio::test(start_paused = true)]
async fn an_answer_in_single_bytes_passes_and_a_shortened_one_is_waited_for() {
    let (near, mut far) = duplex(1024);
    let mut guard = Guard::new(near, Framing::Tcp);
    guard.write_all(&READ).await.expect("room");
    for byte in READ_ANSWER.iter().take(12) {
        far.write_all(&[*byte]).await.expect("room");
        assert_eq!(receive(&mut guard).await.expect("a part"), [*byte]);
    }
    assert!(tokio::time::timeout(Duration::from_secs(5), receive(&mut guard)).await.is_err());
}
