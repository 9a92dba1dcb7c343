//! The envelope of a command: who, which, when, for how long, what, and the MAC over all of it.
//!
//! Signed: `{"principal", "id", "time_unix_ms", "ttl_s", "body", "mac"}`, where `body` is a text that holds JSON: what was
//! signed is what was sent, byte for byte, and nobody has to agree about spaces or the order of keys. Unsigned: without
//! `principal` and `mac`; the fields of the kind may then stand beside the envelope instead of in `body`.

use super::operator::is_plain;
use super::seal::{Key, Sealed};
use serde_json::{Map, Value};

/// Names are 1 to 64 of these.
const PLAIN: &str = "1 to 64 characters of A-Z a-z 0-9 . _ : -";

/// A command as it came, its shape checked and nothing else.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Envelope {
    pub(super) id: String,
    pub(super) time_unix_ms: u64,
    pub(super) ttl_s: u64,
    pub(super) wish: Wish,
    pub(super) signature: Option<Signature>,
}

/// What is wanted, unread.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Wish {
    /// `body`: JSON as text.
    Text(String),
    /// Fields beside the envelope; unsigned commands only.
    Fields(Map<String, Value>),
}

/// Who says that they wrote it, and their proof.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Signature {
    pub(super) principal: String,
    pub(super) mac: String,
}

/// Whom an answer is for, as far as it could be read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Sender {
    pub(super) id: Option<String>,
    pub(super) principal: Option<String>,
}

/// Why a payload is not a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Malformed {
    pub(super) sender: Sender,
    pub(super) message: String,
}

impl Envelope {
    pub(super) fn parse(payload: &[u8]) -> Result<Self, Malformed> {
        let object: Result<Map<String, Value>, _> = serde_json::from_slice(payload);
        let Ok(mut object) = object else {
            return Err(Malformed { sender: Sender::default(), message: "the payload is not a JSON object".into() });
        };
        let sender = Sender { id: plain(object.get("id")), principal: plain(object.get("principal")) };
        Self::read(&sender, &mut object).map_err(|message| Malformed { sender, message })
    }

    fn read(sender: &Sender, object: &mut Map<String, Value>) -> Result<Self, String> {
        let signature = signature(sender, object)?;
        object.remove("id");
        let whole = |object: &mut Map<String, Value>, key| object.remove(key).and_then(|value| value.as_u64());
        Ok(Self {
            id: sender.id.clone().ok_or_else(|| format!("id is missing or not {PLAIN}"))?,
            time_unix_ms: whole(object, "time_unix_ms").ok_or("time_unix_ms is missing or not a whole number")?,
            ttl_s: whole(object, "ttl_s").ok_or("ttl_s is missing or not a whole number of seconds")?,
            wish: wish(object, signature.is_some())?,
            signature,
        })
    }

    pub(super) fn sender(&self) -> Sender {
        let principal = self.signature.as_ref().map(|signature| signature.principal.clone());
        Sender { id: Some(self.id.clone()), principal }
    }

    /// Whether the MAC is the key's for this command on this topic. False for unsigned commands.
    pub(super) fn is_sealed_with(&self, key: &Key, topic: &str) -> bool {
        let (Some(Signature { principal, mac }), Wish::Text(body)) = (&self.signature, &self.wish) else {
            return false;
        };
        let (id, time_unix_ms, ttl_s) = (&self.id, self.time_unix_ms, self.ttl_s);
        key.fits(&Sealed { topic, principal, id, time_unix_ms, ttl_s, body }.text(), mac)
    }
}

fn plain(value: Option<&Value>) -> Option<String> {
    value?.as_str().filter(|text| is_plain(text)).map(str::to_owned)
}

fn signature(sender: &Sender, object: &mut Map<String, Value>) -> Result<Option<Signature>, String> {
    match (object.remove("principal"), object.remove("mac")) {
        (None, None) => Ok(None),
        (Some(_), Some(Value::String(mac))) => {
            let principal = sender.principal.clone().ok_or_else(|| format!("principal is not {PLAIN}"))?;
            Ok(Some(Signature { principal, mac }))
        }
        (Some(_), _) => Err("principal needs mac, a text".into()),
        (None, Some(_)) => Err("mac needs principal".into()),
    }
}

fn wish(object: &mut Map<String, Value>, signed: bool) -> Result<Wish, String> {
    match object.remove("body") {
        Some(Value::String(body)) => match object.keys().next() {
            None => Ok(Wish::Text(body)),
            Some(key) => Err(format!("unknown field {key:?} beside body")),
        },
        Some(_) => Err("body is not a text that holds JSON".into()),
        None if signed => Err("body is missing: a signed command has its fields there, as text".into()),
        None => Ok(Wish::Fields(std::mem::take(object))),
    }
}

impl Wish {
    /// The fields of the command.
    pub(super) fn fields(self) -> Result<Map<String, Value>, String> {
        match self {
            Self::Fields(fields) => Ok(fields),
            Self::Text(text) => serde_json::from_str(&text).map_err(|_| "body does not hold a JSON object".into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_are_read() {
        let signed = br#"{"principal":"anna","id":"1","time_unix_ms":2,"ttl_s":3,"body":"{\"a\":1}","mac":"00"}"#;
        let signed = Envelope::parse(signed).unwrap();
        let signature = Signature { principal: "anna".into(), mac: "00".into() };
        assert_eq!((signed.signature.clone(), signed.ttl_s), (Some(signature), 3));
        let unsigned = Envelope::parse(br#"{"id":"1","time_unix_ms":2,"ttl_s":3,"a":1}"#).unwrap();
        assert_eq!(unsigned.signature, None);
        assert_eq!(signed.wish.fields(), unsigned.wish.fields());
    }

    #[test]
    fn what_is_missing_or_too_much_is_named() {
        let rows = [
            (r#""principal":"anna""#, "principal needs mac"),
            (r#""mac":"00""#, "mac needs principal"),
            (r#""principal":"an na","mac":"00","body":"{}""#, "principal is not 1 to 64"),
            (r#""principal":"anna","mac":"00","mode":"manual""#, "body is missing"),
            (r#""principal":"anna","mac":"00","body":{}"#, "body is not a text"),
            (r#""body":"{}","mode":"manual""#, r#"unknown field "mode" beside body"#),
        ];
        for (fields, expected) in rows {
            let payload = format!(r#"{{"id":"1","time_unix_ms":2,"ttl_s":3,{fields}}}"#);
            let malformed = Envelope::parse(payload.as_bytes()).unwrap_err();
            assert!(malformed.message.contains(expected), "{malformed:?}");
            assert_eq!(malformed.sender.id.as_deref(), Some("1"));
        }
        let part = Envelope::parse(br#"{"id":"1","time_unix_ms":2,"ttl_s":1.5}"#).unwrap_err();
        assert!(part.message.contains("ttl_s"), "{part:?}");
    }

    #[test]
    fn the_answer_to_a_malformed_command_carries_its_id_if_that_is_readable() {
        let rows: [(&[u8], Option<&str>); 6] = [
            (b"\xff\x00", None),
            (b"[1]", None),
            (br#"{"id":"a/b"}"#, None),
            (br#"{"id":7}"#, None),
            (br#"{"id":"a-1"}"#, Some("a-1")),
            (br#"{"id":"a-1","time_unix_ms":"now","ttl_s":1}"#, Some("a-1")),
        ];
        for (payload, id) in rows {
            assert_eq!(Envelope::parse(payload).unwrap_err().sender.id.as_deref(), id);
        }
    }
}
