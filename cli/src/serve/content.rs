//! What `neap serve` sends.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use neap_smol::Full;

use super::compress::Compressed;
use super::file_content::FileContent;
use super::listing::Listing;
use super::multipart::Multipart;

/// The content of a response.
pub(crate) enum Content {
    /// Words or a page.
    Full(Full),
    /// A file.
    File(FileContent),
    /// Several parts of a file.
    Multipart(Multipart),
    /// A file, compressed on its way.
    Compressed(Compressed),
    /// A directory, as a long page.
    Listing(Listing),
}

impl Content {
    /// Encodes what is short, so that the client is told its length.
    ///
    /// # Errors
    ///
    /// When it cannot be read or encoded.
    pub(crate) async fn settle(self) -> io::Result<Content> {
        match self {
            Content::Compressed(short) if short.is_short() => {
                Ok(Content::Full(short.all().await?.into()))
            }
            other => Ok(other),
        }
    }
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
        let piece = match self.get_mut() {
            Content::Full(full) => {
                let frame = ready!(Pin::new(full).poll_frame(context));
                return Poll::Ready(frame.map(|frame| frame.map_err(|never| match never {})));
            }
            Content::File(file) => ready!(file.poll(context)),
            Content::Multipart(parts) => ready!(parts.poll(context)),
            Content::Compressed(compressed) => ready!(compressed.poll(context)),
            Content::Listing(listing) => listing.next_piece().map(Ok),
        };
        Poll::Ready(piece.map(|piece| piece.map(Frame::data)))
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Content::Full(full) => full.is_end_stream(),
            Content::File(file) => file.left() == 0,
            Content::Multipart(parts) => parts.left() == 0,
            // It may, but nobody knows before it was asked.
            Content::Compressed(_) => false,
            Content::Listing(listing) => listing.is_over(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Content::Full(full) => full.size_hint(),
            Content::File(file) => SizeHint::with_exact(file.left()),
            Content::Multipart(parts) => SizeHint::with_exact(parts.left()),
            Content::Compressed(_) => SizeHint::new(),
            // Nobody knows its length before it is made.
            Content::Listing(_) => SizeHint::new(),
        }
    }
}
