//! What `neap serve` sends.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use neap_smol::Full;

use super::file_content::FileContent;
use super::listing::Listing;

/// The content of a response.
pub(crate) enum Content {
    /// Words or a page.
    Full(Full),
    /// A file.
    File(FileContent),
    /// A directory, as a long page.
    Listing(Listing),
}

impl From<Full> for Content {
    fn from(full: Full) -> Content {
        Content::Full(full)
    }
}

impl Body for Content {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        match self.get_mut() {
            Content::Full(full) => Pin::new(full)
                .poll_frame(context)
                .map(|frame| frame.map(|frame| frame.map_err(|never| match never {}))),
            Content::File(file) => file
                .poll(context)
                .map(|piece| piece.map(|piece| piece.map(Frame::data))),
            Content::Listing(listing) => {
                let piece = listing.next_piece();
                Poll::Ready(piece.map(|piece| Ok(Frame::data(piece))))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Content::Full(full) => full.is_end_stream(),
            Content::File(file) => file.left() == 0,
            Content::Listing(listing) => listing.is_over(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Content::Full(full) => full.size_hint(),
            Content::File(file) => SizeHint::with_exact(file.left()),
            // Nobody knows its length before it is made.
            Content::Listing(_) => SizeHint::new(),
        }
    }
}
