//! A container's two outputs in one stream (Engine API, `POST /containers/{id}/attach`, "Stream format"):
//! frames of eight bytes of head, of which the first names the stream and the last four the length.

use std::io;

/// Which of the outputs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stream {
    Out,
    Err,
}

/// Takes frames apart, however the bytes come.
#[derive(Debug, Default)]
pub(super) struct Demultiplexer {
    head: [u8; 8],
    filled: usize,
    left: usize,
}

impl Demultiplexer {
    /// Hands on what of `bytes` is content.
    ///
    /// # Errors
    /// A stream that there is not, the daemon's own complaint (3), and whatever `take` says.
    pub(super) fn feed(
        &mut self,
        mut bytes: &[u8],
        take: &mut dyn FnMut(Stream, &[u8]) -> io::Result<()>,
    ) -> io::Result<()> {
        while !bytes.is_empty() {
            if self.left == 0 {
                bytes = self.fill(bytes);
                continue;
            }
            let (content, rest) = bytes.split_at(self.left.min(bytes.len()));
            let stream = self.stream(content)?;
            self.left -= content.len();
            take(stream, content)?;
            bytes = rest;
        }
        Ok(())
    }

    /// Completes the head; the rest of `bytes`.
    fn fill<'a>(&mut self, bytes: &'a [u8]) -> &'a [u8] {
        let (head, rest) = bytes.split_at((8 - self.filled).min(bytes.len()));
        self.head[self.filled..][..head.len()].copy_from_slice(head);
        self.filled += head.len();
        if self.filled == 8 {
            let [.., a, b, c, d] = self.head;
            self.left = u32::from_be_bytes([a, b, c, d]) as usize;
            self.filled = 0;
        }
        rest
    }

    fn stream(&self, content: &[u8]) -> io::Result<Stream> {
        match self.head[0] {
            0 | 1 => Ok(Stream::Out),
            2 => Ok(Stream::Err),
            3 => Err(io::Error::other(String::from_utf8_lossy(content).into_owned())),
            other => Err(io::Error::other(format!("there is no stream {other}"))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn frame(stream: u8, content: &[u8]) -> Vec<u8> {
        let length = u32::try_from(content.len()).unwrap().to_be_bytes();
        [&[stream, 0, 0, 0], &length[..], content].concat()
    }

    fn read(pieces: &[&[u8]]) -> io::Result<(Vec<u8>, Vec<u8>)> {
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let mut frames = Demultiplexer::default();
        for piece in pieces {
            frames.feed(piece, &mut |stream, content| {
                match stream {
                    Stream::Out => out.extend(content),
                    Stream::Err => err.extend(content),
                }
                Ok(())
            })?;
        }
        Ok((out, err))
    }

    #[test]
    fn a_stream_that_there_is_not_is_an_error() {
        assert!(read(&[&frame(9, b"x")]).is_err());
        let complaint = read(&[&frame(3, b"broken")]).unwrap_err();
        assert_eq!(complaint.to_string(), "broken");
    }

    proptest! {
        #[test]
        fn frames_are_the_same_however_they_are_cut(cut in 0_usize..60, content in proptest::collection::vec(any::<u8>(), 0..20)) {
            let all = [frame(1, &content), frame(2, b""), frame(2, b"err"), frame(1, b"end")].concat();
            let (head, tail) = all.split_at(cut.min(all.len()));
            let expected = ([&content[..], b"end"].concat(), b"err".to_vec());
            prop_assert_eq!(read(&[head, tail]).unwrap(), expected);
        }
    }
}
