use std::{
    cell::Cell,
    fs::File,
    io::{self, BufRead, BufReader, Read},
    path::Path,
    rc::Rc,
};

use super::{AtMost, MOST_BYTES};

/// How a stream of zstd begins (RFC 8878, section 3.1.1).
const ZSTD: [u8; 4] = [0x28, 0xB5, 0x2F, 0xFD];

/// How one of gzip does, with the only method that there is (RFC 1952, section
/// 2.3.1).
const GZIP: [u8; 3] = [0x1F, 0x8B, 0x08];

/// How one of xz does (The .xz File Format 1.2.1, section 2.1.1.1).
const XZ: [u8; 6] = [0xFD, b'7', b'z', b'X', b'Z', 0];

/// What unpacking a block of xz may take: those of `xz -9` need 65 MiB, and a
/// stranger's may ask for four gigabytes.
const XZ_MEMORY_KIB: u32 = 128 << 10;

/// What stands for standard input.
pub const STDIN: &str = "-";

/// Bytes read at once.
const BUFFER: usize = 1 << 18;

/// Whether a compressed file turned out to end before its last block does, as
/// one whose writer was killed; known once it was read.
#[derive(Clone, Default)]
pub struct Cut(Rc<Cell<bool>>);

impl Cut {
    /// Whether it was.
    #[must_use]
    pub fn was_met(&self) -> bool {
        self.0.get()
    }
}

/// What is compressed unpacks to so many times its size at most. Histories are
/// a tenth of their text; what claims to be ten thousand times as long as its
/// file is made to fill a memory.
const MOST_TIMES: u64 = 200;

/// How long what comes compressed out of a pipe, which has no size, may be.
const MOST_OF_A_PIPE: u64 = 16 * MOST_BYTES;

/// The longest line of a history.
pub(crate) const MOST_LINE: u64 = 16 << 20;

/// A history's file, or what is compressed in it. Its path is one that a person
/// named.
pub fn open_history(path: &Path) -> io::Result<(Box<dyn BufRead>, Cut)> {
    if path == Path::new(STDIN) {
        return unpacked(Box::new(io::stdin()), MOST_OF_A_PIPE);
    }
    unpack(File::open(path)?)
}

/// The most bytes that are unpacked of a compressed file of so many bytes.
#[must_use]
pub fn most_unpacked(size: u64) -> u64 {
    MOST_BYTES.max(size.saturating_mul(MOST_TIMES))
}

/// What is in a history's file, or compressed in it.
pub(crate) fn unpack(file: File) -> io::Result<(Box<dyn BufRead>, Cut)> {
    let most = most_unpacked(file.metadata()?.len());
    unpacked(Box::new(file), most)
}

fn unpacked(file: Box<dyn Read>, most: u64) -> io::Result<(Box<dyn BufRead>, Cut)> {
    let mut file = BufReader::with_capacity(BUFFER, file);
    let cut = Cut::default();
    let beginning = file.fill_buf()?;
    // One that was cut in the middle of its mark is compressed, too.
    let is = |mark: &[u8]| {
        beginning.len() > 1 && (beginning.starts_with(mark) || mark.starts_with(beginning))
    };
    let stream: Box<dyn Read> = if is(&ZSTD) {
        Box::new(zstd::stream::Decoder::with_buffer(file)?)
    } else if is(&GZIP) {
        Box::new(flate2::bufread::MultiGzDecoder::new(file))
    } else if is(&XZ) {
        Box::new(lzma_rust2::XzReader::new_mem_limit(file, true, XZ_MEMORY_KIB))
    } else {
        return Ok((Box::new(file), cut));
    };
    let unpacked = AtMost::new(Unpacked { stream, cut: cut.clone() }, most);
    Ok((Box::new(BufReader::with_capacity(BUFFER, unpacked)), cut))
}

/// Ends where what is compressed ends, if need be early.
struct Unpacked<R> {
    stream: R,
    cut: Cut,
}

impl<R: Read> Read for Unpacked<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.stream.read(buffer) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                self.cut.0.set(true);
                Ok(0)
            }
            read => read,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn read(bytes: &[u8]) -> (Vec<u8>, bool) {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), bytes).unwrap();
        let (mut opened, cut) = open_history(file.path()).unwrap();
        let mut all = Vec::new();
        opened.read_to_end(&mut all).unwrap();
        (all, cut.was_met())
    }

    /// It is told by its bytes, whatever its name.
    #[test]
    fn what_is_compressed_is_unpacked_as_far_as_it_goes() {
        // What compresses well is one chunk of xz, of which a part is worth nothing.
        let numbers = (0..500_000_u32).map(|n| n.wrapping_mul(0x9E37_79B1));
        let text: Vec<u8> = numbers.flat_map(u32::to_le_bytes).collect();
        assert_eq!(read(&text), (text.clone(), false));
        let packed = zstd::encode_all(text.as_slice(), 1).unwrap();
        assert_eq!(read(&packed), (text.clone(), false));
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(&text).unwrap();
        let gzip = gzip.finish().unwrap();
        let xz = lzma_rust2::XzOptions::with_preset(1);
        let mut xz = lzma_rust2::XzWriter::new(Vec::new(), xz).unwrap();
        xz.write_all(&text).unwrap();
        let xz = xz.finish().unwrap();
        assert_eq!(read(&xz), (text.clone(), false));
        assert_eq!(read(&gzip), (text.clone(), false));
        for packed in [packed, gzip, xz] {
            let (left, is_cut) = read(&packed[..packed.len() * 3 / 4]);
            assert!(is_cut && !left.is_empty() && text.starts_with(&left), "{} bytes", left.len());
            for cut in 2..=5 {
                assert_eq!(read(&packed[..cut]), (Vec::new(), true), "{cut} bytes");
            }
        }
        assert_eq!(read(b""), (Vec::new(), false));
    }

    #[test]
    fn a_file_that_unpacks_to_thousands_of_its_size_is_refused() {
        let bomb = zstd::encode_all(io::repeat(b'\n').take(MOST_BYTES + 1), 1).unwrap();
        assert!(bomb.len() < 100_000, "{} bytes", bomb.len());
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), bomb).unwrap();
        let (mut opened, _) = open_history(file.path()).unwrap();
        let refused = io::copy(&mut opened, &mut io::sink()).unwrap_err();
        assert_eq!(refused.to_string(), "it has more than 64 MB, the most that is read");
    }
}
