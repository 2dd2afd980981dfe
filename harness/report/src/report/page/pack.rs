use std::{
    io::Write as _,
    sync::{Mutex, PoisonError},
    thread,
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use flate2::{Compression, write::ZlibEncoder};

/// A column of numbers as text that a page can carry: bytes of equal weight
/// together, deflated, in base64.
///
/// Numbers of one column are alike in their high bytes; with these side by
/// side, deflate makes them vanish (the shuffle of HDF5 and Blosc).
pub(super) fn pack<const WIDTH: usize>(
    column: impl ExactSizeIterator<Item = [u8; WIDTH]>,
) -> String {
    let count = column.len();
    let mut shuffled = vec![0; count * WIDTH];
    for (at, bytes) in column.enumerate() {
        for (plane, byte) in bytes.into_iter().enumerate() {
            shuffled[plane * count + at] = byte;
        }
    }
    let mut deflate = ZlibEncoder::new(Vec::new(), Compression::new(6));
    deflate.write_all(&shuffled).expect("writing to memory never fails");
    STANDARD.encode(deflate.finish().expect("writing to memory never fails"))
}

/// Numbers of one width.
pub(super) enum Column {
    Wide(Vec<u32>),
    Half(Vec<u16>),
    Byte(Vec<u8>),
}

impl Column {
    fn pack(&self) -> String {
        match self {
            Self::Wide(numbers) => pack(numbers.iter().map(|number| number.to_le_bytes())),
            Self::Half(numbers) => pack(numbers.iter().map(|number| number.to_le_bytes())),
            Self::Byte(numbers) => pack(numbers.iter().map(|number| [*number])),
        }
    }
}

/// Packs columns, in their order, on several threads; each is gone once it is
/// packed.
pub(super) fn pack_all(columns: Vec<(&'static str, Column)>) -> Vec<(&'static str, String)> {
    let threads = thread::available_parallelism().map_or(1, usize::from);
    let packed: Vec<Mutex<String>> = columns.iter().map(|_| Mutex::default()).collect();
    let names: Vec<&'static str> = columns.iter().map(|(name, _)| *name).collect();
    let waiting = Mutex::new(columns.into_iter().zip(&packed));
    let work = || {
        loop {
            let next = waiting.lock().unwrap_or_else(PoisonError::into_inner).next();
            let Some(((_, column), place)) = next else { return };
            *place.lock().unwrap_or_else(PoisonError::into_inner) = column.pack();
        }
    };
    thread::scope(|scope| {
        for _ in 1..threads {
            scope.spawn(work);
        }
        work();
    });
    drop(waiting);
    let packed = packed.into_iter().map(|text| text.into_inner().unwrap_or_default());
    names.into_iter().zip(packed).collect()
}

/// Each number less the one before it: small where they rise slowly.
pub(super) fn deltas(numbers: &[u32]) -> Vec<u32> {
    let mut before = 0u32;
    numbers
        .iter()
        .map(|number| {
            let delta = number.wrapping_sub(before);
            before = *number;
            delta
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use proptest::prelude::*;

    use super::*;

    fn unpack(text: &str) -> Vec<u32> {
        let bytes = STANDARD.decode(text).unwrap();
        let mut planes = Vec::new();
        flate2::read::ZlibDecoder::new(&*bytes).read_to_end(&mut planes).unwrap();
        let count = planes.len() / 4;
        (0..count)
            .map(|at| u32::from_le_bytes([0, 1, 2, 3].map(|plane| planes[plane * count + at])))
            .collect()
    }

    proptest! {
        #[test]
        fn what_is_packed_can_be_unpacked(mut numbers: Vec<u32>) {
            let packed = pack(deltas(&numbers).iter().map(|number| number.to_le_bytes()));
            let mut sum = 0u32;
            let unpacked: Vec<u32> = unpack(&packed)
                .into_iter()
                .map(|delta| { sum = sum.wrapping_add(delta); sum })
                .collect();
            prop_assert_eq!(&unpacked, &numbers);
            numbers.clear();
        }
    }
}
