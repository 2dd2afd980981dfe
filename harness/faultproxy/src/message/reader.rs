//! The fields of what a Postgres client sends.

use super::Parameter;
use bytes::Bytes;

/// Reads the fields of a message; past its end they are empty.
pub(super) struct Reader<'a>(pub(super) &'a [u8]);

impl Reader<'_> {
    pub(super) fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    /// A string with a zero at its end.
    pub(super) fn text(&mut self) -> String {
        let end = self.0.iter().position(|byte| *byte == 0);
        let (text, rest) = self.0.split_at(end.unwrap_or(self.0.len()));
        self.0 = rest.get(1..).unwrap_or_default();
        String::from_utf8_lossy(text).into_owned()
    }

    fn take(&mut self, len: usize) -> Option<&[u8]> {
        let (taken, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(taken)
    }

    fn short(&mut self) -> Option<u16> {
        let bytes = self.take(2)?;
        Some(u16::from_be_bytes(bytes.try_into().expect("two bytes")))
    }

    fn long(&mut self) -> Option<i32> {
        let bytes = self.take(4)?;
        Some(i32::from_be_bytes(bytes.try_into().expect("four bytes")))
    }

    /// The types at the end of a Parse.
    pub(super) fn types(&mut self) -> Vec<u32> {
        let count = self.short().unwrap_or(0);
        (0..count).map_while(|_| self.long().map(i32::cast_unsigned)).collect()
    }

    /// The parameters of a Bind. A binary one whose type is not known, and
    /// which can be read in two ways, has both readings.
    pub(super) fn parameters(&mut self, types: &[u32]) -> Vec<Parameter> {
        let formats = self.short().unwrap_or(0);
        let formats: Vec<u16> = (0..formats).map_while(|_| self.short()).collect();
        let count = self.short().unwrap_or(0);
        let mut parameters = Vec::new();
        for index in 0..usize::from(count) {
            let Some(len) = self.long() else {
                break;
            };
            let format = match formats.as_slice() {
                [] => TEXT,
                [all] => *all,
                each => each.get(index).copied().unwrap_or(TEXT),
            };
            let oid = types.get(index).copied().filter(|oid| *oid != 0);
            let mut parameter =
                Parameter { value: None, binary: format != TEXT, oid, readings: Vec::new() };
            // -1 is NULL.
            if let Ok(len) = usize::try_from(len) {
                let Some(bytes) = self.take(len) else {
                    break;
                };
                match format {
                    TEXT => parameter.readings.push(whole_text(bytes)),
                    _ => read_binary(bytes, oid.unwrap_or(0), &mut parameter.readings),
                }
                parameter.value = Some(Bytes::copy_from_slice(bytes));
            }
            parameters.push(parameter);
        }
        parameters
    }
}

/// A parameter in the text format; anything else is binary.
const TEXT: u16 = 0;

/// Types as Postgres numbers them (`pg_type.dat`).
mod oid {
    pub(super) const BOOL: u32 = 16;
    pub(super) const INTEGERS: [u32; 4] = [20, 21, 23, 26];
    pub(super) const FLOATS: [u32; 2] = [700, 701];
    /// `bytea`, `"char"`, `name`, `text`, `json`, `xml`, `bpchar`, `varchar`.
    pub(super) const TEXTS: [u32; 8] = [17, 18, 19, 25, 114, 142, 1042, 1043];
    pub(super) const UUID: u32 = 2950;
    pub(super) const UNKNOWN: [u32; 2] = [0, 705];
}

fn read_binary(bytes: &[u8], kind: u32, parameters: &mut Vec<String>) {
    let read = match kind {
        oid::BOOL => bytes.first().map(|byte| (*byte != 0).to_string()),
        oid::UUID => uuid(bytes),
        kind if oid::INTEGERS.contains(&kind) => integer(bytes),
        kind if oid::FLOATS.contains(&kind) => float(bytes),
        kind if oid::TEXTS.contains(&kind) => Some(whole_text(bytes)),
        _ => None,
    };
    if let Some(read) = read {
        return parameters.push(read);
    }
    // Of a type that is not known: a text is a text, and what has the length
    // of an integer may be one all the same.
    let number = integer(bytes);
    let is_text = std::str::from_utf8(bytes).is_ok_and(|text| !text.chars().any(char::is_control));
    if is_text || number.is_none() {
        parameters.push(whole_text(bytes));
    }
    parameters.extend(number.filter(|_| oid::UNKNOWN.contains(&kind) || !is_text));
}

fn whole_text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn integer(bytes: &[u8]) -> Option<String> {
    Some(match *bytes {
        [a, b] => i16::from_be_bytes([a, b]).to_string(),
        [a, b, c, d] => i32::from_be_bytes([a, b, c, d]).to_string(),
        [a, b, c, d, e, f, g, h] => i64::from_be_bytes([a, b, c, d, e, f, g, h]).to_string(),
        _ => return None,
    })
}

fn float(bytes: &[u8]) -> Option<String> {
    Some(match *bytes {
        [a, b, c, d] => f32::from_be_bytes([a, b, c, d]).to_string(),
        [a, b, c, d, e, f, g, h] => f64::from_be_bytes([a, b, c, d, e, f, g, h]).to_string(),
        _ => return None,
    })
}

fn uuid(bytes: &[u8]) -> Option<String> {
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    (bytes.len() == 16)
        .then(|| [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8], kind: u32) -> Vec<String> {
        let mut found = Vec::new();
        read_binary(bytes, kind, &mut found);
        found
    }

    #[test]
    fn a_parameter_is_read_by_its_type() {
        assert_eq!(read(b"user", 25), ["user"]);
        assert_eq!(read(b"user", 1043), ["user"]);
        assert_eq!(read(&17_i32.to_be_bytes(), 23), ["17"]);
        assert_eq!(read(&0x75_73_65_72_i32.to_be_bytes(), 23), ["1970496882"]);
        assert_eq!(read(&1.5_f64.to_be_bytes(), 701), ["1.5"]);
        assert_eq!(read(&[1], 16), ["true"]);
        let id = [0x12; 16];
        assert_eq!(read(&id, 2950), ["12121212-1212-1212-1212-121212121212"]);
    }

    #[test]
    fn one_of_unknown_type_is_read_in_both_ways() {
        assert_eq!(read(b"user", 0), ["user", "1970496882"]);
        assert_eq!(read(&17_i64.to_be_bytes(), 0), ["17"]);
        assert_eq!(read(b"a longer text", 0), ["a longer text"]);
    }
}
