//! The experiments of `examples/myths`: every one comes out as documented.
#![cfg(all(feature = "sim", feature = "http"))]
// The experiments print; a test only asks for verdicts.
#![allow(dead_code, clippy::std_instead_of_core, clippy::std_instead_of_alloc)]

#[path = "../examples/myths/experiments/mod.rs"]
mod experiments;

use experiments::Finding;

#[test]
fn every_experiment_comes_out_as_documented() {
    let mut wrong = Vec::new();
    for (at, myth) in experiments::all().iter().enumerate() {
        let mut finding = Finding::default();
        if let Err(failure) = (myth.experiment)(&mut finding) {
            finding.failures.push(failure.to_string());
        }
        if !finding.failures.is_empty() {
            wrong.push(format!("{}. {}\n{:#?}", at + 1, myth.claim, finding.failures));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
