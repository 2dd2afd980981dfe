//! "I have a history, tell me": reads a file in any format that is recognised
//! and says what it kept; exit code 1 if it broke something. `quarrel check`
//! does the same with more models and in more words.
//!
//! ```text
//! cargo run --release --example check -- history.edn
//! ```

use std::{env, error::Error, fs::File, io::BufReader, process::ExitCode};

use quarrel_checkers::{
    Anomaly, Budget, Guarantee, JudgeOptions, Judgement, Validity,
    formats::{self, ImportOptions},
    judge, judge_json_lines,
    transactions::{Expected, ListAppend, RwRegister, is_transaction},
};

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let mut arguments = env::args().skip(1);
    let path = arguments.next().ok_or("usage: check FILE")?;
    let open = || File::open(&path).map(|file| BufReader::with_capacity(1 << 18, file));
    // A million operations in which nothing is wrong take a third of a second so.
    if let Some(quick) = judge_json_lines(open()?, &JudgeOptions::default(), None) {
        tell(&quick.judgement);
        return Ok(ExitCode::SUCCESS);
    }
    let input = open()?;
    let imported = formats::read(input, &ImportOptions::default())?;
    for assumption in &imported.assumptions {
        println!("{assumption}");
    }
    let history = &imported.history;
    let is_of_transactions = history.events.iter().any(|event| is_transaction(&event.op));
    let is_list = history.events.iter().any(|event| event.op.value.to_string().contains("append"));
    let (validity, anomalies) = if is_of_transactions {
        let expected = Expected::StrictSerializable;
        let examined = match is_list {
            true => ListAppend::expecting(expected).examine(history, Budget::default()),
            false => RwRegister::expecting(expected).examine(history, Budget::default()),
        };
        for (level, validity) in &examined.levels {
            println!("{level:?}: {validity:?}");
        }
        (examined.verdict.validity, examined.verdict.anomalies)
    } else {
        let judgement = judge(history, &imported.probes, &JudgeOptions::default());
        tell(&judgement);
        (judgement.validity(Guarantee::Linearizable), judgement.anomalies)
    };
    for Anomaly { class, explanation, .. } in anomalies.iter().take(5) {
        println!("{class}: {explanation}");
    }
    Ok(if validity == Validity::Invalid { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn tell(judgement: &Judgement) {
    for rung in &judgement.ladder {
        println!("{}: {:?}: {}", rung.guarantee, rung.validity, rung.reason);
    }
}
