//! Can all this fail? A life that our stack lives as a kernel would is altered in one thing, and judged.

use crate::judge::{Kind, judge};
use crate::lateness::{Clock, MACHINE};
use crate::scenario::{Act, Opening, Scenario};
use crate::subject_model;
use crate::timeline::{Entry, What};
use core::time::Duration;
use libtest_mimic::{Failed, Trial};
use longhaul::wire::Flags;

type Test = fn() -> Result<(), Failed>;

pub(crate) fn trials() -> Vec<Trial> {
    let tests: [(&str, Test); 6] = [
        ("a_life_as_the_stack_lives_it_is_judged_the_same", unaltered),
        ("a_life_altered_in_one_thing_differs", altered),
        ("a_wait_may_be_late_by_its_bucket_and_no_more", lateness_is_bounded),
        ("lateness_does_not_add_up", lateness_starts_anew),
        ("the_readme_counts_the_scenarios", counted),
        ("the_wheels_buckets_are_those_of_the_kernel", buckets),
    ];
    tests.into_iter().map(|(name, test)| Trial::test(format!("judge::{name}"), test)).collect()
}

const HZ_250: Clock = Clock { tick: Duration::from_millis(4) };

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn scenario() -> Scenario {
    Scenario::new("own", Opening::Connect).sysctl("tcp_retries2", "1").at(100, Act::Write(100))
}

fn sent(millis: u64, flags: Flags, seq: i32, len: u32, ack: Option<i32>) -> Entry {
    Entry { at: ms(millis), what: What::Sent(crate::segment::Seen { flags, seq, len, ack }) }
}

/// What a kernel of 250 ticks a second does about a hole, by its rules: RTO 204 ms, dead at the first expiry that is
/// 600 ms after the first retransmission.
fn life() -> Vec<Entry> {
    let did = |millis, act, result| Entry { at: ms(millis), what: What::Did(act, Ok(result)) };
    let data = |millis| sent(millis, Flags::PSH | Flags::ACK, 1, 100, Some(1));
    vec![
        sent(0, Flags::SYN, 0, 0, None),
        did(0, Act::Hear("S. 0:0(0) ack 1 win 65535 <mss 1460>".to_owned()), 0),
        sent(0, Flags::ACK, 1, 0, Some(1)),
        did(100, Act::Write(100), 100),
        data(100),
        data(304),
        data(304 + 408),
        Entry { at: ms(304 + 408 + 816), what: What::Died(110) },
        Entry { at: ms(2500), what: What::End },
    ]
}

fn judged(kernel: &[Entry]) -> Result<(), Kind> {
    let model = subject_model::run(&scenario(), kernel, HZ_250);
    judge(&scenario(), kernel, &model, HZ_250).map_err(|difference| difference.kind)
}

fn unaltered() -> Result<(), Failed> {
    judged(&life()).map_err(|kind| format!("{kind:?}").into())
}

/// (what is altered, how, whether the difference is one of time)
fn altered() -> Result<(), Failed> {
    type Alteration = fn(&mut Vec<Entry>);
    let alterations: [(&str, Alteration, bool); 10] = [
        ("a flag", |life| life[6] = sent(712, Flags::ACK, 1, 100, Some(1)), false),
        ("a sequence number", |life| life[6] = sent(712, Flags::PSH | Flags::ACK, 2, 100, Some(1)), false),
        ("a length", |life| life[6] = sent(712, Flags::PSH | Flags::ACK, 1, 99, Some(1)), false),
        ("an ACK number", |life| life[6] = sent(712, Flags::PSH | Flags::ACK, 1, 100, Some(0)), false),
        ("the errno", |life| life[7].what = What::Died(113), false),
        ("what a call gave", |life| life[3].what = What::Did(Act::Write(100), Ok(99)), false),
        ("a packet less", |life| drop(life.remove(6)), false),
        ("a packet more", |life| life.insert(6, life[5].clone()), false),
        ("no death", |life| drop(life.remove(7)), false),
        ("a retransmission too early", |life| life[5].at = ms(298), true),
    ];
    for (what, alter, of_time) in alterations {
        let mut life = life();
        alter(&mut life);
        match judged(&life) {
            Ok(()) => return Err(format!("{what}: judged the same").into()),
            Err(kind) if matches!(kind, Kind::What(..)) == of_time => return Err(format!("{what}: {kind:?}").into()),
            Err(_) => {}
        }
    }
    Ok(())
}

/// 408 ms lie in a bucket of 32 ms.
fn lateness_is_bounded() -> Result<(), Failed> {
    for (late, expected) in [(ms(36), None), (ms(38), Some(Kind::Late))] {
        let mut life = life();
        life[6].at += late;
        life[7].at += late;
        if judged(&life).err() != expected {
            return Err(format!("late by {late:?}: not {expected:?}").into());
        }
    }
    Ok(())
}

/// What is late by little each time is allowed, though the last is late by more than any one may be.
fn lateness_starts_anew() -> Result<(), Failed> {
    let mut life = life();
    for (number, late) in [(5, 8), (6, 40), (7, 76)] {
        life[number].at += ms(late);
    }
    judged(&life).map_err(|kind| format!("{kind:?}").into())
}

/// `LVL_START` and `LVL_GRAN` of kernel/time/timer.c at 250 and 1000 ticks a second.
fn buckets() -> Result<(), Failed> {
    let hz_1000 = Clock { tick: ms(1) };
    for (clock, wait, granule) in [
        (HZ_250, 248, 4),
        (HZ_250, 252, 32),
        (HZ_250, 2012, 32),
        (HZ_250, 2016, 256),
        (HZ_250, 16_124, 256),
        (HZ_250, 16_128, 2048),
        (hz_1000, 62, 1),
        (hz_1000, 63, 8),
        (hz_1000, 1000, 64),
        (hz_1000, 4032, 512),
    ] {
        let lateness = clock.lateness(ms(wait));
        if lateness != ms(granule) + MACHINE {
            return Err(format!("{wait} ms: {lateness:?}").into());
        }
    }
    // 201 ms are 51 ticks of 4 ms.
    if HZ_250.lateness(ms(201)) != ms(3 + 4) + MACHINE {
        return Err("201 ms are not rounded up".into());
    }
    // Two ticks are 8 ms there, where ours are 2.
    if HZ_250.lateness_of_two_ticks(ms(2)) != ms(6 + 4) + MACHINE {
        return Err("two ticks are not the kernel's own".into());
    }
    Ok(())
}

fn counted() -> Result<(), Failed> {
    let scenarios = crate::table::scenarios();
    let mut names: Vec<_> = scenarios.iter().map(|scenario| scenario.name).collect();
    names.sort_unstable();
    names.dedup();
    let figure = format!("{} scenarios", names.len());
    let texts = [include_str!("../../README.md"), include_str!("../../src/manual/conformance.rs")];
    if names.len() < scenarios.len() || !texts.iter().all(|text| text.contains(&figure)) {
        return Err(format!("{figure} of {} names in the table", scenarios.len()).into());
    }
    Ok(())
}
