//! What the relay has to know of a packet.

const TCP: u8 = 6;
const SYN: u8 = 0x02;
const ACK: u8 = 0x10;

/// A TCP segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Segment {
    pub(crate) source_port: u16,
    /// It is a client's SYN.
    pub(crate) begins_a_handshake: bool,
}

impl Segment {
    /// The segment in `packet`, if it is one of IPv4, or of IPv6 without extension headers.
    pub(crate) fn of(packet: &[u8]) -> Option<Segment> {
        let (protocol, header) = match packet.first()? >> 4 {
            4 => (packet.get(9)?, usize::from(packet[0] & 0x0f) * 4),
            6 => (packet.get(6)?, 40),
            _ => return None,
        };
        let segment = packet.get(header..).filter(|_| *protocol == TCP)?;
        Some(Segment {
            source_port: u16::from_be_bytes([*segment.first()?, *segment.get(1)?]),
            begins_a_handshake: segment.get(13)? & (SYN | ACK) == SYN,
        })
    }
}
