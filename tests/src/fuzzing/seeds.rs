//! What a fuzzer begins with.

use super::messages::messages;

/// An input of a target.
#[derive(Clone, Debug)]
pub struct Seed {
    /// The target.
    pub target: &'static str,
    /// What it was made of.
    pub name: String,
    /// The input.
    pub input: Vec<u8>,
}

/// Every ambiguous message for the targets that take messages, and some replies.
#[must_use]
pub fn seeds() -> Vec<Seed> {
    let mut seeds = Vec::new();
    for message in messages() {
        let inputs = of_message(&message.bytes);
        seeds.extend(inputs.into_iter().enumerate().map(|(index, input)| Seed {
            target: input.0,
            name: format!("{} {index}", message.name),
            input: input.1,
        }));
    }
    let replies = replies().into_iter().enumerate();
    seeds.extend(replies.map(|(index, input)| Seed {
        target: "reply",
        name: index.to_string(),
        input,
    }));
    seeds
}

/// Plans for the driver and the handlers of `connection`: the first byte chooses the limits, three
/// more say what a handler does.
const PLANS: [&[u8]; 7] = [
    &[],
    &[1],
    &[1, 4, 0, 9],
    &[1, 5, 1, 9],
    &[0, 2, 4, 9],
    &[1, 8, 0, 30, 0xf0],
    &[0, 3, 8, 200, 0xe5, 20],
];

/// The message as an input of each target that takes messages.
fn of_message(message: &[u8]) -> Vec<(&'static str, Vec<u8>)> {
    let mut seeds = vec![("head", message.to_vec())];
    let head_end = message.windows(4).position(|end| end == b"\r\n\r\n");
    if let Some(end) = head_end.filter(|end| end + 4 < message.len()) {
        seeds.push(("chunked", message[end + 4..].to_vec()));
    }
    for plan in PLANS {
        let len = u8::try_from(plan.len()).unwrap_or(0);
        seeds.push(("connection", [&[len], plan, message].concat()));
    }
    seeds
}

/// Inputs of `reply`: who asks, the status, how the length is given, a length, fields, trailers,
/// and the lengths of the pieces.
fn replies() -> Vec<Vec<u8>> {
    let mut inputs = Vec::new();
    let fields: &[u8] = b"\x03\x04date\x01x\x06x-type\x03a b\x0aconnection\x05close";
    let trailers: &[u8] = b"\x01\x03x-a\x01b";
    for asked in 0..8 {
        for status in [200_u16, 204, 205, 304, 404, 500] {
            let flags = asked * 3 % 16;
            let start = [&[asked][..], &status.to_be_bytes(), &[flags, 9]].concat();
            inputs.push([&start[..], fields, trailers, &[1, 0, 20, 255]].concat());
            inputs.push([&start[..], &[0, 0, 9]].concat());
        }
    }
    inputs
}
