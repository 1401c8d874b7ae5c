//! The experiments of `examples/myths`: every one comes out as documented, and one that does not says so.
#![cfg(all(feature = "sim", feature = "http"))]
// The experiments print; a test only asks for verdicts.
#![allow(dead_code, clippy::std_instead_of_core, clippy::std_instead_of_alloc)]

#[path = "../examples/myths/experiments/mod.rs"]
mod experiments;

use experiments::Finding;
use std::collections::BTreeSet;

#[test]
fn every_experiment_comes_out_as_documented() {
    let mut wrong = Vec::new();
    for (at, myth) in experiments::all().iter().enumerate() {
        let mut finding = Finding::default();
        if let Err(failure) = (myth.experiment)(&mut finding) {
            finding.failures.push(failure.to_string());
        }
        assert!(finding.compared >= 2, "{}. decides by less than two figures", at + 1);
        if !finding.failures.is_empty() {
            wrong.push(format!("{}. {}\n{:#?}", at + 1, myth.claim, finding.failures));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn no_claim_stands_twice_and_each_has_a_verdict() {
    let myths = experiments::all();
    let claims: BTreeSet<_> = myths.iter().map(|myth| myth.claim).collect();
    assert_eq!(claims.len(), myths.len());
    assert!(myths.iter().all(|myth| myth.claim.ends_with('.') && myth.verdict.ends_with('.')));
}

#[test]
fn a_figure_that_differs_from_the_documented_one_is_told() {
    let mut finding = Finding::default();
    finding.same("dead after", "7875 s", "7875 s");
    finding.holds("it is", true);
    assert_eq!((finding.failures.len(), finding.compared), (0, 2));
    finding.same("dead after", "7872 s", "7875 s");
    finding.holds("it was", false);
    assert_eq!(finding.failures, ["dead after: 7872 s, documented is 7875 s", "not so: it was"]);
}
