//! Any bytes as rules text: no panic, no rule with more than 256 keys, data that reads back as it
//! was meant, and the same faults whether lines are read one by one or as a whole.

#![no_main]

use libfuzzer_sys::fuzz_target;

use rules::compile::{Failure, Report, check};
use rules::lint::{self, Warning};
use rules::record::{Record, encode};
use rules::text::{Address, Fault, FaultKind, Line, Rule, parse};

#[derive(Default)]
struct Faults(Vec<(u64, FaultKind)>);

impl Report for Faults {
    fn fault(&mut self, line: u64, _: &[u8], fault: Fault) {
        self.0.push((line, fault.kind));
    }

    fn warning(&mut self, line: u64, warning: Warning) {
        assert!(line > 0 && !warning.to_string().is_empty());
    }
}

/// How many keys the rule has.
fn look_at(rule: &Rule<'_>) -> u64 {
    let mut data = Vec::new();
    encode(rule.verdict, rule.variables(), &mut data);
    let record = Record::new(data);
    assert_eq!(record.verdict(), rule.verdict);
    assert!(record.variables().eq(rule.variables()));
    match rule.address() {
        Address::Literal(key) => {
            assert!(!rule.is_plain() || lint::dead(key).is_none());
            1
        }
        Address::Range(range) => {
            let mut key = Vec::new();
            let mut keys: Vec<Vec<u8>> = Vec::new();
            for number in range.numbers() {
                range.key(number, &mut key);
                keys.push(key.clone());
            }
            let count = keys.len();
            keys.sort();
            keys.dedup();
            assert!(count == keys.len() && count <= 256);
            count as u64
        }
    }
}

fuzz_target!(|text: &[u8]| {
    let mut records = 0;
    let mut faults = Vec::new();
    let whole = text.strip_suffix(b"\n").unwrap_or(text);
    for (number, line) in (1..).zip(whole.split(|byte| *byte == b'\n')) {
        match parse(line) {
            Ok(Line::Rule(rule)) => records += look_at(&rule),
            Ok(Line::Nothing | Line::NoColon) => {}
            Err(fault) => {
                assert!((1..=line.len() + 1).contains(&fault.column));
                faults.push((number, fault.kind));
            }
        }
    }
    let mut told = Faults::default();
    match check(text, &mut told) {
        Ok(counts) => assert!(counts.records == records && faults.is_empty()),
        Err(Failure::Faults) => assert!(!faults.is_empty()),
        Err(failure) => panic!("{failure:?}"),
    }
    assert_eq!(told.0, faults);
});
