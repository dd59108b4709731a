//! A connection's output: heads and framing in one buffer, large content beside it.

use std::future::Future;
use std::io::IoSlice;

use bytes::Buf;
use neap_core::Frame;

use crate::IntoResponse;
use crate::environment::Environment;

/// From this size on a piece of content is written from where it lies. Smaller ones are copied
/// behind their head: that costs less than another slice.
pub(crate) const LARGE: usize = 16 * 1024;

/// What waits to be written, in this order: `bytes`, then `tail` with its `suffix`.
#[derive(Debug)]
pub(crate) struct Output<D> {
    pub(crate) bytes: Vec<u8>,
    /// How many of `bytes` are written already.
    written: usize,
    tail: Option<Tail<D>>,
}

#[derive(Debug)]
struct Tail<D> {
    data: D,
    /// How much of `data` is to be sent; the handler may have given more than it declared.
    left: usize,
    suffix: &'static [u8],
}

impl<D: Buf> Output<D> {
    pub(crate) fn new() -> Output<D> {
        Output {
            bytes: Vec::new(),
            written: 0,
            tail: None,
        }
    }

    /// The buffer to put heads into; behind a tail nothing may be put.
    pub(crate) fn buffer<H, F>(&mut self, env: &mut Environment<H, F>) -> &mut Vec<u8>
    where
        F: Future<Output: IntoResponse>,
    {
        if self.bytes.capacity() == 0 {
            self.bytes = env.take_output();
        }
        &mut self.bytes
    }

    /// Whether more may be put behind. Behind a tail nothing may.
    pub(crate) fn is_open(&self) -> bool {
        self.tail.is_none()
    }

    /// Adds a framed piece of content.
    pub(crate) fn push(&mut self, frame: &Frame, mut data: D) {
        let take = usize::try_from(frame.take)
            .unwrap_or(usize::MAX)
            .min(data.remaining());
        self.bytes.extend_from_slice(frame.prefix());
        if take >= LARGE {
            self.tail = Some(Tail {
                data,
                left: take,
                suffix: frame.suffix,
            });
            return;
        }
        let mut left = take;
        while left > 0 {
            let chunk = data.chunk();
            let len = chunk.len().min(left);
            self.bytes.extend_from_slice(&chunk[..len]);
            data.advance(len);
            left -= len;
        }
        self.bytes.extend_from_slice(frame.suffix);
    }

    /// Fills `slices` with what is next to be written; returns how many of them it used.
    pub(crate) fn slices<'a>(&'a self, slices: &mut [IoSlice<'a>; 3]) -> usize {
        let mut used = 0;
        let mut put = |slice: &'a [u8]| {
            if !slice.is_empty() && used < slices.len() {
                slices[used] = IoSlice::new(slice);
                used += 1;
            }
        };
        put(&self.bytes[self.written..]);
        if let Some(tail) = &self.tail {
            // One piece at a time: most data is in one piece, and then the suffix follows.
            let chunk = tail.data.chunk();
            put(&chunk[..chunk.len().min(tail.left)]);
            if chunk.len() >= tail.left {
                put(tail.suffix);
            }
        }
        used
    }

    /// Takes `count` written bytes away. True if nothing is left.
    pub(crate) fn advance(&mut self, mut count: usize) -> bool {
        let head = count.min(self.bytes.len() - self.written);
        self.written += head;
        count -= head;
        if self.written == self.bytes.len() {
            self.bytes.clear();
            self.written = 0;
        }
        if let Some(tail) = &mut self.tail {
            let content = count.min(tail.left);
            tail.data.advance(content);
            tail.left -= content;
            tail.suffix = &tail.suffix[count - content..];
            if tail.left == 0 && tail.suffix.is_empty() {
                self.tail = None;
            }
        }
        self.bytes.is_empty() && self.tail.is_none()
    }
}
