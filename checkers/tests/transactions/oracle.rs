//! Against the definition: a small history is serializable iff some order of
//! its transactions explains every read.

use quarrel_checkers::{Validity, generate::Random};

use crate::check;

/// A transaction of random reads and appends over two keys; every read is a
/// prefix of its key's final list.
fn random(random: &mut Random) -> Vec<String> {
    let count = 2 + random.below(3) as usize;
    let mut transactions: Vec<Vec<String>> = vec![Vec::new(); count];
    let mut lists = [String::new(), String::new()];
    for number in 1..=1 + random.below(4) {
        let key = random.below(2) as usize;
        let writer = random.below(count as u64) as usize;
        lists[key].push_str(&number.to_string());
        transactions[writer].push(format!("a{}{number}", ["x", "y"][key]));
    }
    for key in 0..2 {
        // Somebody reads the whole list, so that its order is known.
        let whole = random.below(count as u64) as usize;
        for (at, transaction) in transactions.iter_mut().enumerate() {
            let length = random.below(lists[key].len() as u64 + 1) as usize;
            let seen = if at == whole { &lists[key][..] } else { &lists[key][..length] };
            if at == whole || random.permille(400) {
                let place = random.below(transaction.len() as u64 + 1) as usize;
                transaction.insert(place, format!("r{}{seen}", ["x", "y"][key]));
            }
        }
    }
    transactions.retain(|transaction| !transaction.is_empty());
    transactions.iter().map(|transaction| transaction.join(" ")).collect()
}

fn is_serializable(transactions: &[String]) -> bool {
    fn search(rest: &[&String], lists: &[String; 2]) -> bool {
        rest.is_empty()
            || (0..rest.len()).any(|next| {
                let mut after = lists.clone();
                let fits = rest[next].split(' ').all(|micro| {
                    let key = usize::from(&micro[1..2] == "y");
                    if micro.starts_with('a') {
                        after[key].push_str(&micro[2..]);
                        true
                    } else {
                        after[key] == micro[2..]
                    }
                });
                let mut others = rest.to_vec();
                others.remove(next);
                fits && search(&others, &after)
            })
    }
    search(&transactions.iter().collect::<Vec<_>>(), &Default::default())
}

#[test]
fn small_histories_are_valid_iff_an_order_explains_them() {
    let (mut valid, mut checked) = (0, 0);
    for seed in 0..150_000 {
        let transactions = random(&mut Random::seeded(seed));
        if transactions.is_empty() {
            continue;
        }
        let texts: Vec<&str> = transactions.iter().map(String::as_str).collect();
        let expected = is_serializable(&transactions);
        let verdict = check(&[&texts[..], &["az9"]].concat());
        assert_eq!(
            verdict.validity == Validity::Valid,
            expected,
            "seed {seed}: {transactions:?}: {:?}",
            verdict.anomalies
        );
        valid += u64::from(expected);
        checked += 1;
    }
    assert!((checked / 50..checked / 2).contains(&valid), "{valid} of {checked} valid");
}
