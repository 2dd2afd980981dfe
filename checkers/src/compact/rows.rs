/// So many records share one allocation. It is made once its size is known, so
/// that nothing that grows is ever there twice.
const TOGETHER: usize = 4_096;

/// Records of different lengths, found by their number.
#[derive(Clone, Default, PartialEq, Eq)]
pub(super) struct Rows {
    full: Vec<FullBlock>,
    /// What they take.
    full_bytes: usize,
    last: Block<Vec<u8>, Vec<usize>>,
}

type FullBlock = Block<Box<[u8]>, Box<[usize]>>;

/// Some of them: their bytes, and where each one ends.
#[derive(Clone, Default, PartialEq, Eq)]
struct Block<B, E> {
    bytes: B,
    ends: E,
}

impl Rows {
    pub(super) fn len(&self) -> usize {
        self.full.len() * TOGETHER + self.last.ends.len()
    }

    /// The bytes that they take.
    pub(super) fn heap_bytes(&self) -> usize {
        let Self { full, full_bytes, last } = self;
        let list = full.capacity() * size_of::<FullBlock>();
        list + full_bytes + last.bytes.capacity() + last.ends.capacity() * size_of::<usize>()
    }

    /// Appends what `put` writes.
    pub(super) fn push(&mut self, put: impl FnOnce(&mut Vec<u8>)) {
        put(&mut self.last.bytes);
        self.last.ends.push(self.last.bytes.len());
        if self.last.ends.len() == TOGETHER {
            let bytes: Box<[u8]> = self.last.bytes.as_slice().into();
            let ends: Box<[usize]> = self.last.ends.as_slice().into();
            let block = Block { bytes, ends };
            self.full_bytes += block.bytes.len() + size_of_val(&*block.ends);
            self.full.push(block);
            self.last.bytes.clear();
            self.last.ends.clear();
        }
    }

    /// The bytes of a record.
    pub(super) fn get(&self, number: usize) -> &[u8] {
        let (block, at) = (number / TOGETHER, number % TOGETHER);
        let (bytes, ends) = match self.full.get(block) {
            Some(block) => (&*block.bytes, &*block.ends),
            None => (&self.last.bytes[..], &self.last.ends[..]),
        };
        assert!(block <= self.full.len() && at < ends.len(), "there is no record {number}");
        let from = at.checked_sub(1).map_or(0, |before| ends[before]);
        &bytes[from..ends[at]]
    }
}
