//! COMPRESS=DEFLATE (RFC 4978): one raw deflate stream each way.

use std::io;

use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};
use wire::Codec;

/// How much room is added where the coded form does not fit.
const STEP_BYTES: usize = 4 * 1024;

/// Both streams of a conversation.
pub struct Deflate {
    out: Compress,
    input: Decompress,
}

impl std::fmt::Debug for Deflate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Deflate").finish_non_exhaustive()
    }
}

impl Deflate {
    /// At the beginning of both.
    pub fn new() -> Deflate {
        Deflate {
            out: Compress::new(Compression::fast(), false),
            input: Decompress::new(false),
        }
    }
}

impl Default for Deflate {
    fn default() -> Deflate {
        Deflate::new()
    }
}

/// What a total grew by.
fn grown(before: u64, after: u64) -> usize {
    // At most the size of a buffer.
    usize::try_from(after - before).unwrap_or(usize::MAX)
}

impl Codec for Deflate {
    fn decode(&mut self, input: &[u8], output: &mut [u8]) -> io::Result<(usize, usize)> {
        let (read, made) = (self.input.total_in(), self.input.total_out());
        let status = self
            .input
            .decompress(input, output, FlushDecompress::Sync)
            .map_err(|_| io::Error::from(io::ErrorKind::InvalidData))?;
        let used = grown(read, self.input.total_in());
        let made = grown(made, self.input.total_out());
        // A finished stream can be followed by nothing: the client has broken off.
        if status == Status::StreamEnd && made == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok((used, made))
    }

    fn encode(&mut self, input: &[u8], output: &mut Vec<u8>) -> io::Result<()> {
        let mut rest = input;
        loop {
            output.reserve(STEP_BYTES.max(rest.len() / 4));
            let before = self.out.total_in();
            let length = output.len();
            self.out
                .compress_vec(rest, output, FlushCompress::Sync)
                .map_err(|_| io::Error::from(io::ErrorKind::InvalidData))?;
            rest = &rest[grown(before, self.out.total_in())..];
            // Room was left, so nothing was: the flush is complete.
            if rest.is_empty() && output.len() < output.capacity() {
                return Ok(());
            }
            if output.len() == length && output.capacity() > length {
                return Err(io::ErrorKind::WriteZero.into());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decoded(codec: &mut Deflate, mut input: &[u8]) -> Vec<u8> {
        let mut all = Vec::new();
        let mut buffer = [0; 100];
        loop {
            let (used, made) = codec.decode(input, &mut buffer).expect("a stream");
            input = &input[used..];
            all.extend_from_slice(&buffer[..made]);
            if made == 0 && (used == 0 || input.is_empty()) {
                return all;
            }
        }
    }

    #[test]
    fn what_is_encoded_can_be_decoded_at_once_however_much_there_is() {
        let (mut server, mut client) = (Deflate::new(), Deflate::new());
        for size in [1, 2, 100, 4095, 4096, 4097, 70_000] {
            // Hardly compressible.
            let mut seed = size as u64 + 1;
            let text: Vec<u8> = std::iter::repeat_with(|| {
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                (seed >> 33) as u8
            })
            .take(size)
            .collect();
            let mut coded = Vec::new();
            server.encode(&text, &mut coded).expect("encoded");
            assert_eq!(decoded(&mut client, &coded), text, "{size}");
        }
    }

    #[test]
    fn a_stream_may_be_cut_anywhere() {
        let (mut server, mut client) = (Deflate::new(), Deflate::new());
        let mut coded = Vec::new();
        server.encode(b"a NOOP\r\n", &mut coded).expect("encoded");
        let mut all = Vec::new();
        for byte in coded {
            all.extend(decoded(&mut client, &[byte]));
        }
        assert_eq!(all, b"a NOOP\r\n");
    }

    #[test]
    fn what_is_no_deflate_is_an_error() {
        let mut client = Deflate::new();
        assert!(client.decode(b"\xff\xff\xff\xff", &mut [0; 10]).is_err());
    }
}
