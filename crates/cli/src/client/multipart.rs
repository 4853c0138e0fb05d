//! A `multipart/form-data` body (RFC 7578) that streams files from the disk.

use std::path::{Path, PathBuf};

use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt, stream};
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Frame;
use tokio_util::io::ReaderStream;

use super::Body;

/// Stands between the parts. It is long enough not to stand in them: no gzip stream, settings file or build log
/// is made to hold it.
const BOUNDARY: &str = "bellrock-7a6f3c0e5d1b4a9288f04c17e2d9b653";

/// Read from the disk at once.
const CHUNK: usize = 64 * 1024;

/// One part of an upload.
pub(crate) enum Part {
    /// A small one.
    Text {
        /// Its name.
        name: &'static str,
        /// What is in it.
        text: String,
    },
    /// A file, from its beginning to the length that it has now.
    File {
        /// Its name.
        name: &'static str,
        /// The open file.
        file: tokio::fs::File,
        /// The name that it has here.
        file_name: String,
        /// Its length in bytes.
        length: u64,
    },
}

impl Part {
    /// A file as a part.
    pub(crate) async fn file(name: &'static str, path: &Path) -> std::io::Result<Self> {
        let file = fs_err::tokio::File::open(path).await?;
        let metadata = file.metadata().await?;
        if !metadata.is_file() {
            let what = format!("{} is not a file", path.display());
            return Err(std::io::Error::new(std::io::ErrorKind::InvalidInput, what));
        }
        let file_name = path.file_name().map(PathBuf::from).unwrap_or_default().display().to_string();
        let (file, _) = file.into_parts();
        Ok(Part::File { name, file, file_name, length: metadata.len() })
    }

    fn head(&self) -> String {
        match self {
            Part::Text { name, .. } => format!(
                "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\
                 Content-Type: application/json\r\n\r\n"
            ),
            Part::File { name, file_name, .. } => {
                let file_name: String = file_name
                    .chars()
                    .map(|c| if c.is_control() || "\"\\".contains(c) { '_' } else { c })
                    .collect();
                format!(
                    "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"{name}\"; \
                     filename=\"{file_name}\"\r\nContent-Type: application/octet-stream\r\n\r\n"
                )
            }
        }
    }

    fn length(&self) -> u64 {
        let content = match self {
            Part::Text { text, .. } => text.len() as u64,
            Part::File { length, .. } => *length,
        };
        self.head().len() as u64 + content + 2
    }
}

/// An upload: its parts in their order.
pub(crate) struct Upload {
    /// The parts.
    pub(crate) parts: Vec<Part>,
}

impl Upload {
    pub(super) fn content_type(&self) -> String {
        format!("multipart/form-data; boundary={BOUNDARY}")
    }

    pub(super) fn length(&self) -> u64 {
        self.parts.iter().map(Part::length).sum::<u64>() + end().len() as u64
    }

    pub(super) fn into_body(self) -> Body {
        let parts = stream::iter(self.parts).flat_map(chunks);
        let all = parts.chain(stream::once(async { Ok(Bytes::from(end())) }));
        BodyExt::boxed_unsync(StreamBody::new(all.map_ok(Frame::data)))
    }
}

fn end() -> String {
    format!("--{BOUNDARY}--\r\n")
}

fn chunks(part: Part) -> stream::BoxStream<'static, std::io::Result<Bytes>> {
    let once = |bytes: Bytes| stream::once(async { Ok(bytes) });
    let head = once(Bytes::from(part.head()));
    let content = match part {
        Part::Text { text, .. } => once(Bytes::from(text)).boxed(),
        Part::File { file, length, .. } => {
            let file = tokio::io::AsyncReadExt::take(file, length);
            ReaderStream::with_capacity(file, CHUNK).boxed()
        }
    };
    head.chain(content).chain(once(Bytes::from_static(b"\r\n"))).boxed()
}
