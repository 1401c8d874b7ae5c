//! The interpreter's own tests: what it must read, what it must refuse, and that a script altered in any one thing
//! fails. Each is a table; the test's name says which row fails.

mod fuzz;
mod language;

use crate::ast::{Action, Body, Time};
use crate::runner::{self, Failure, Tolerance};
use crate::{parser, python};
use libtest_mimic::{Failed, Trial};
use std::path::Path;

type Test = fn() -> Result<(), Failed>;

pub(crate) fn trials(home: &Path) -> Vec<Trial> {
    let tests: [(&str, Test); 9] = [
        ("a_script_that_describes_the_stack_passes", passes),
        ("a_script_altered_in_one_thing_fails_at_its_line", altered_scripts_fail),
        ("a_failure_shows_both_packets_and_what_went_before", a_failure_tells),
        ("every_form_of_the_language_is_read", every_form_is_read),
        ("what_is_not_the_language_is_refused_with_a_reason", nonsense_is_refused),
        ("what_is_unknown_or_not_supported_is_named", unknown_is_named),
        ("python_assertions_hold_or_fail", python_assertions),
        ("no_text_makes_the_parser_panic_or_loop", no_text_panics),
        ("no_mutated_script_makes_the_runner_panic_or_loop", fuzz::no_mutation_panics),
    ];
    let tests = tests.into_iter().map(|(name, test)| Trial::test(format!("interpreter::{name}"), test));
    tests.chain(language::trials(home)).collect()
}

/// A short life with a bit of everything: options, timestamps, a retransmission, an ICMP error, a death.
const SCRIPT: &str = r#"`sysctl -q net.ipv4.tcp_retries2=0
sysctl -q net.ipv4.tcp_rmem="4096 131072 6291456"`

0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3
+0 bind(3, ..., ...) = 0
+0 listen(3, 1) = 0
+0 < S 0:0(0) win 64000 <mss 1460,sackOK,TS val 1000 ecr 0,nop,wscale 7>
+0 > S. 0:0(0) ack 1 win 65160 <mss 1460,sackOK,TS val 100 ecr 1000,nop,wscale 7>
+.001 < . 1:1(0) ack 1 win 500 <nop,nop,TS val 1001 ecr 100>
+0 accept(3, ..., ...) = 4
+0 fcntl(4, F_SETFL, O_RDWR|O_NONBLOCK) = 0
+0 read(4, ..., 100) = -1 EAGAIN (note)
+.05 < P. 1:11(10) ack 1 win 500 <nop,nop,TS val 1051 ecr 100>
+0 > . 1:1(0) ack 11 <nop,nop,TS val 151 ecr 1051>
+0 read(4, ..., 100) = 10
+0 write(4, ..., 10) = 10
+0 > P. 1:11(10) ack 11 <...>
+0 %{ assert tcpi_unacked == 1 }%
+.2~+.202 > P. 1:11(10) ack 11 <...>
+.01 < icmp unreachable host_unreachable [1:11(10)]
+.19~+.192 > P. 1:11(10) ack 11 <...>
+.41 getsockopt(4, SOL_SOCKET, SO_ERROR, [EHOSTUNREACH], [4]) = 0
+0 < . 11:11(0) ack 11 win 500
+0 > R 11:11(0)
"#;

fn passes() -> Result<(), Failed> {
    runner::run(SCRIPT, Tolerance::Zero).map_err(|failure| told(&failure).into())
}

/// (what stands in the script, what stands there instead): the altered script must fail on that line or after it.
const ALTERATIONS: &[(&str, &str, &str)] = &[
    ("a flag more", "+0 > . 1:1(0) ack 11", "+0 > P. 1:1(0) ack 11"),
    ("a flag less", "+.2~+.202 > P. 1", "+.2~+.202 > . 1"),
    ("another flag", "> R 11:11(0)", "> R. 11:11(0) ack 11"),
    ("a time too early", "+.2~+.202 >", "+.1~+.2 >"),
    ("a time too late", "+.2~+.202 >", "+.202~+.3 >"),
    ("now is not a microsecond later", "+0 > R 11", "+.000001 > R 11"),
    ("a sequence number", "> R 11:11(0)", "> R 12:12(0)"),
    ("an initial sequence number", "< . 11:11(0) ack 11 win 500", "< . 11:11(0) ack 12 win 500"),
    ("a length", "+0 > P. 1:11(10) ack 11 <...>", "+0 > P. 1:10(9) ack 11 <...>"),
    ("an acknowledgment", "+0 > P. 1:11(10) ack 11 <...>", "+0 > P. 1:11(10) ack 10 <...>"),
    ("a window", "win 65160", "win 65161"),
    ("an option's value", "65160 <mss 1460", "65160 <mss 1461"),
    ("options in another order", "<mss 1460,sackOK,TS val 100 ecr 1000", "<sackOK,mss 1460,TS val 100 ecr 1000"),
    ("an option less", "ecr 1000,nop,wscale 7>", "ecr 1000>"),
    ("the window scale", "ecr 1000,nop,wscale 7>", "ecr 1000,nop,wscale 8>"),
    ("no options where there are some", "ack 11 <nop,nop,TS val 151 ecr 1051>", "ack 11"),
    ("a timestamp's echo", "TS val 151 ecr 1051>", "TS val 151 ecr 1050>"),
    ("an echo of what was never sent", "TS val 1051 ecr 100>", "TS val 1051 ecr 99>"),
    ("an error number", "-1 EAGAIN (note)", "-1 EPIPE (note)"),
    ("an error where there is none", "read(4, ..., 100) = 10", "read(4, ..., 100) = -1 EAGAIN"),
    ("success where there is an error", "= -1 EAGAIN (note)", "= 0"),
    ("a count", "write(4, ..., 10) = 10", "write(4, ..., 10) = 9"),
    ("an option read back", "[EHOSTUNREACH]", "[ETIMEDOUT]"),
    ("an assertion", "tcpi_unacked == 1", "tcpi_unacked == 2"),
    ("the cause of the error", "unreachable host_unreachable", "unreachable port_unreachable"),
    ("a setting", "tcp_retries2=0", "tcp_retries2=1"),
    ("a packet that never comes", "+0 > R 11:11(0)\n", "+0 > R 11:11(0)\n* > R 11:11(0)\n"),
    ("a packet left out", "+0 > . 1:1(0) ack 11 <nop,nop,TS val 151 ecr 1051>\n", ""),
];

fn altered_scripts_fail() -> Result<(), Failed> {
    for (what, from, to) in ALTERATIONS {
        let parts: Vec<&str> = SCRIPT.split(from).collect();
        if parts.len() != 2 {
            return Err(format!("{what}: `{from}` stands {} times in the script", parts.len() - 1).into());
        }
        let line = parts[0].lines().count();
        match runner::run(&parts.join(to), Tolerance::Zero) {
            Ok(()) => return Err(format!("{what}: the script passes with `{to}`").into()),
            Err(failure) if failure.error.line < line => return Err(format!("{what}: {}", told(&failure)).into()),
            Err(_) => {}
        }
    }
    Ok(())
}

fn a_failure_tells() -> Result<(), Failed> {
    let altered = SCRIPT.replace("+0 > R 11:11(0)", "+0 > R 12:12(0)");
    let Err(failure) = runner::run(&altered, Tolerance::Zero) else { return Err("it passes".into()) };
    let text = told(&failure);
    let line = altered.lines().count();
    for part in [&format!("line {line}:"), "expected  > R 12:12(0)", "got       > R 11:11(0)", "> S. 0:0(0) ack 1 win"]
    {
        if !text.contains(part) {
            return Err(format!("no `{part}` in:\n{text}").into());
        }
    }
    Ok(())
}

/// Sections of the language as scripts of others use it; none of these is run.
const FORMS: &str = r#"--mss=1000
--tolerance_usecs=75000 --ip_version=ipv4
--tcp_ts_ecr_scaled
-D COOKIE=a1b2c3d4
// A comment /* within
/* another
   one */
`../common/defaults.sh
../common/set_sysctls.py /proc/sys/net/ipv4/tcp_timestamps=0 \
   /proc/sys/net/ipv4/tcp_shrink_window=1`
0.0 socket(..., SOCK_STREAM|SOCK_NONBLOCK, IPPROTO_TCP) = 3
+0 < [ect0] SEW 0:0(0) win 32792 <mss 1000,nop,nop,sackOK,nop,wscale 7>
+0 > (ttl 64) S. 0:0(0) ack 1 /* here, too */ <...>
+.1 < 40000 > 8080 P.1 1:1001(1000) ack 1 win 257 urg 5 <nop,nop,sack 1:2 3:4>
*  > - 0:0(0)
0.2~0.3 > [ect01,tos 0x2] .5 1:1(0) ack 2794967397 <nop,nop,TS val 1 ecr 2,eol>
+0 > S 0:0(0) <mss 1460,FO COOKIE,nop,nop,FO,FOEXP a1b2,md5 00ff,ECN e1b 1 ceb 0 e0b 1>
+.1~+.2 > F. 1:1(0) ack 1
+0...0.300 connect(3, ..., ...) = 0
0.5...0.6 accept(3, ..., ...) = 4
+0 < icmp unreachable frag_needed mtu 1200 [1:1001(1000)]
+0 < R 1:1(0) ack 1461 win 0
+0 < icmp packet_too_big mtu 1280 [1:1001(1000)]
+0 sendmsg(4, {msg_name(...)=..., msg_iov(2)=[{..., 100}, {..., 20}], msg_flags=0}, MSG_MORE) = 120
+0 recvmsg(3, {msg_name(...)=..., msg_iov(1)=[{...,0}], msg_flags=MSG_ERRQUEUE,
     msg_control=[{cmsg_level=CMSG_LEVEL_IP, cmsg_type=CMSG_TYPE_RECVERR, cmsg_data={ee_errno=0, ee_info=1}}]},
   MSG_ERRQUEUE) = 0
+0 poll([{fd=4, events=POLLIN|POLLOUT, revents=POLLOUT}], 1, -1) = 1
+0 epoll_ctl(5, EPOLL_CTL_ADD, 4, {events=EPOLLIN|EPOLLET, ptr=4}) = 0
+0 sendto(3, ..., 500, MSG_FASTOPEN, ..., ...) = -1 EINPROGRESS (Operation now in progress)
+0 connect(3, {sa_family=AF_INET, sin_port=htons(8080), sin_addr=inet_addr("192.0.2.1")}, ...) = 0
+0 setsockopt(3, SOL_TCP, TCP_FASTOPEN_KEY, "a1a1a1a1", 16) = 0
+0 fcntl(3, F_GETFL) = 0x2
+0 write(4, ..., 10) = ...
+0 `nstat | grep TcpExtTCPRcvQDrop | grep -q " 1 "`
+0 %{
assert (tcpi_options & TCPI_OPT_SACK) != 0, "a message %d" % 5
assert 10 <= \
   tcpi_snd_cwnd <= 20
}%
`/tmp/sysctl_restore_${PPID}.sh`
"#;

fn every_form_is_read() -> Result<(), Failed> {
    let script = parser::parse(FORMS).map_err(|error| error.to_string())?;
    let calls = script.events.iter().filter(|event| matches!(event.action, Action::Call(_))).count();
    let spans = script.events.iter().filter(|event| matches!(event.time, Time::Span(..))).count();
    let cookie = script.events.iter().any(|event| match &event.action {
        Action::Outbound(packet) => match &packet.body {
            Body::Tcp(tcp) => tcp.to_string().contains("FO a1b2c3d4,nop,nop,FO ,FOEXP a1b2,md5 00ff,ECN"),
            Body::Icmp(_) => false,
        },
        _ => false,
    });
    let counts = (script.events.len(), calls, spans, cookie, script.init.is_some(), script.cleanup.is_some());
    if counts == (24, 12, 2, true, true, true) { Ok(()) } else { Err(format!("read {counts:?}").into()) }
}

/// Text of no script, and a word of the reason.
const NONSENSE: &[(&str, &str)] = &[
    ("0.1 close(3) = 0", "time 0"),
    ("0 close(3) = 0\n2 close(3) = 0\n1 close(3) = 0", "backwards"),
    ("0 < Q 0:0(0) win 1", "TCP flags"),
    ("0 < S 0:1(0) win 1", "do not end"),
    ("0 < . 0:0(0) win 1", "without `ack N`"),
    ("0 < S 0:0(0) win 65536", "out of range"),
    ("0 < S 0:0(0) win 1 <mss 1460", "expected"),
    ("0 < S 0:0(0) win 1 <mess 1460>", "a TCP option"),
    ("0 < S 0:0(0) win 1 <...>", "nothing"),
    ("0~1 < S 0:0(0) win 1", "expected packet"),
    ("0 > S 0:0(0)\n+2~+1 > S 0:0(0)", "do not fit"),
    ("0 /* close(3) = 0", "without end"),
    ("0 `sysctl", "no ``` follows"),
    ("0 %{ assert 1", "no `}%` follows"),
    ("0 close(3 = 0", "expected"),
    ("0 close(3) = 0 `true` 0 close(4) = 0", "without time"),
    ("0 < udp (100)", "not supported: a UDP packet"),
    ("close(3) = 0", "a time"),
];

fn nonsense_is_refused() -> Result<(), Failed> {
    for (text, reason) in NONSENSE {
        match parser::parse(text) {
            Err(error) if error.to_string().contains(reason) => {}
            other => return Err(format!("`{text}`: {other:?}, and not `{reason}`").into()),
        }
    }
    Ok(())
}

/// Events after `socket`, `bind` and `listen`, and what their failure says.
const UNKNOWN: &[(&str, &str)] = &[
    ("+0 frobnicate(3) = 0", "unknown call `frobnicate`"),
    ("+0 epoll_create(1) = 5", "not supported: epoll_create"),
    ("+0 setsockopt(3, SOL_TCP, TCP_TX_DELAY, [1], 4) = 0", "not supported: TCP_TX_DELAY"),
    ("+0 setsockopt(3, SOL_TCP, TCP_MAGIC, [1], 4) = 0", "unknown option"),
    ("+0 setsockopt(3, SOL_SOCKET, TCP_NODELAY, [1], 4) = 0", "unknown option"),
    ("+0 fcntl(3, F_SETLK, 1) = 0", "unknown command of fcntl"),
    ("+0 read(3, ..., MANY) = 0", "unknown name `MANY`"),
    ("+0 read(3, ..., 1) = -1 EWHAT", "unknown error `EWHAT`"),
    ("+0 `sysctl -q net.ipv4.tcp_magic=1`", "unknown sysctl `tcp_magic`"),
    ("+0 `sysctl -q net.ipv4.tcp_retries2=many`", "invalid value"),
    ("+0 `rm -rf /`", "unknown command"),
    ("+0 `tc qdisc replace dev tun0 root fq`", "not supported yet: pacing"),
    ("+0 %{ assert tcpi_magic == 1 }%", "no connection that could tell: tcpi_magic"),
    ("+0 %{ import os }%", "not understood"),
    ("+0 < icmp gossip [1:1(0)]", "unknown ICMP type"),
    ("+0 accept(3, ..., ...) = 4", "the call blocks"),
    ("+0 accept(9, ..., ...) = 4", "expected 4, got -1 EBADF"),
    ("+0...0.2 accept(3, ..., ...) = 4", "has not returned"),
];

fn unknown_is_named() -> Result<(), Failed> {
    for (event, reason) in UNKNOWN {
        let text = format!(
            "0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3\n+0 bind(3, ..., ...) = 0\n+0 listen(3, 1) = 0\n{event}\n"
        );
        match runner::run(&text, Tolerance::Zero) {
            Err(failure) if failure.error.message.contains(reason) => {}
            Err(failure) => return Err(format!("`{event}`: {}", told(&failure)).into()),
            Ok(()) => return Err(format!("`{event}` is ignored").into()),
        }
    }
    match runner::run("--speed=9\n0 close(3) = 0", Tolerance::Zero) {
        Err(failure) if failure.error.message.contains("unknown option `--speed`") => Ok(()),
        _ => Err("an unknown option of the script is ignored".into()),
    }
}

/// (snippet, whether it holds).
const SNIPPETS: &[(&str, bool)] = &[
    ("assert tcpi_x == 5", true),
    ("assert tcpi_x != 5", false),
    ("assert 4 < tcpi_x <= 5 <= 6, 'fine'", true),
    ("assert 4 < tcpi_x < 5, 'not %d' % tcpi_x", false),
    ("y = 2; y += 0x10 # a comment\nassert y == 18", true),
    ("assert tcpi_x & 4 == 4 and not tcpi_x & 2", true),
    ("assert (tcpi_x &\n 4) != 0", true),
    ("print('a; b'); print(tcpi_nothing)", true),
    ("assert -tcpi_x + 10 == 5 - 0", true),
    ("assert z == 1", false),
    ("assert", false),
    ("assert 1 == 1 \\\n", true),
];

fn python_assertions() -> Result<(), Failed> {
    for (snippet, holds) in SNIPPETS {
        let outcome = python::Python::default().run(snippet, &|name| (name == "tcpi_x").then_some(5));
        if outcome.is_ok() != *holds {
            return Err(format!("`{snippet}`: {outcome:?}").into());
        }
    }
    Ok(())
}

/// Every beginning of every script here, and every script with one character gone.
fn no_text_panics() -> Result<(), Failed> {
    for text in [SCRIPT, FORMS] {
        for at in (0..text.len()).filter(|&at| text.is_char_boundary(at)) {
            drop(parser::parse(&text[..at]));
            drop(parser::parse(&format!("{}{}", &text[..at], &text[at + 1..])));
        }
    }
    let deep = format!("0 f({})", "[".repeat(100_000));
    let deeper = format!("assert {}", "(".repeat(100_000));
    if parser::parse(&deep).is_ok() || python::Python::default().run(&deeper, &|_| None).is_ok() {
        return Err("brackets without end are accepted".into());
    }
    Ok(())
}

fn told(failure: &Failure) -> String {
    format!("{}\n{}", failure.error, failure.trace.join("\n"))
}
