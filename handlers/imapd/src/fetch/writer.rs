//! What is written is collected in a buffer and passed on when there is enough of it.

/// So much is collected.
pub(super) const PIECE_BYTES: usize = 32 * 1024;

/// Where a full buffer goes.
pub(super) trait Drain {
    /// Why it cannot go there.
    type Error;

    /// Takes what is in the buffer, which is empty afterwards.
    fn drain(&mut self, buffer: &mut Vec<u8>) -> Result<(), Self::Error>;
}

/// To a function that takes bytes.
pub(super) struct Passed<'o, E>(pub(super) &'o mut dyn FnMut(&[u8]) -> Result<(), E>);

impl<E> Drain for Passed<'_, E> {
    type Error = E;

    fn drain(&mut self, buffer: &mut Vec<u8>) -> Result<(), E> {
        (self.0)(buffer)?;
        buffer.clear();
        Ok(())
    }
}

/// A buffer and where it goes.
pub(super) struct Writer<D> {
    /// What has not gone yet. Whoever adds much calls [`Writer::make_room`] in between.
    pub(super) buffer: Vec<u8>,
    drain: D,
}

impl<D: Drain> Writer<D> {
    pub(super) fn new(drain: D) -> Writer<D> {
        Writer {
            buffer: Vec::new(),
            drain,
        }
    }

    /// Passes the buffer on if there is enough in it.
    pub(super) fn make_room(&mut self) -> Result<(), D::Error> {
        if self.buffer.len() < PIECE_BYTES {
            return Ok(());
        }
        self.finish()
    }

    /// Passes on what is left.
    pub(super) fn finish(&mut self) -> Result<(), D::Error> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        self.drain.drain(&mut self.buffer)
    }
}
