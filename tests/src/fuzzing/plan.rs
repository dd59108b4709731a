//! A plan: bytes of the input that decide what is not the peer's to decide.

/// The bytes of a plan, over and over; an empty one is all zeros.
#[derive(Clone, Debug)]
pub(super) struct Plan<'p> {
    bytes: &'p [u8],
    at: usize,
}

impl<'p> Plan<'p> {
    pub(super) fn new(bytes: &'p [u8]) -> Plan<'p> {
        Plan { bytes, at: 0 }
    }

    /// The plan at the beginning of `input`, as many bytes as its first one says, and the rest.
    pub(super) fn split(input: &'p [u8]) -> (Plan<'p>, &'p [u8]) {
        let Some((len, rest)) = input.split_first() else {
            return (Plan::new(&[]), input);
        };
        let (plan, rest) = rest.split_at(usize::from(len % 64).min(rest.len()));
        (Plan::new(plan), rest)
    }

    pub(super) fn next(&mut self) -> u8 {
        let byte = self.bytes.get(self.at).copied().unwrap_or(0);
        self.at += 1;
        if self.at >= self.bytes.len() {
            self.at = 0;
        }
        byte
    }
}
