/// A number with its thousands apart: `2,210`.
#[must_use]
pub fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_stand_apart() {
        let told = [0, 12, 999, 1_000, 12_345_678].map(thousands);
        assert_eq!(told, ["0", "12", "999", "1,000", "12,345,678"]);
    }
}
