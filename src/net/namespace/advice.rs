//! What to try where a machine refuses a private peer: which of its rules stood in the way, and how root lifts it.

use alloc::format;
use alloc::string::String;
use std::fs;
use std::io;

use super::child::Step;
use crate::net::tun;

/// What to try when `step` failed. Which rule of the host stood in the way is read from its files.
pub(super) fn on(step: &Step, error: &io::Error) -> Option<String> {
    let denied = error.kind() == io::ErrorKind::PermissionDenied;
    let is = |file: &str, value: &str| fs::read_to_string(file).is_ok_and(|text| text.trim() == value);
    // AppArmor lets `unshare` succeed and takes the rights away: what fails is a step after it.
    if denied && is(APPARMOR, "1") && !is_closed_device(step, error) {
        return Some(format!(
            "AppArmor keeps users from user namespaces here: run under sudo, give the program a profile, or have root \
             write 0 to {APPARMOR}"
        ));
    }
    match step {
        // ENOSPC
        Step::Unshare if error.kind() == io::ErrorKind::StorageFull => {
            let max = fs::read_to_string(NAMESPACES_MAX).unwrap_or_default();
            Some(format!("{NAMESPACES_MAX} is {}: have root raise it, or use the simulator", max.trim()))
        }
        Step::Unshare if denied && is(USERNS_CLONE, "0") => {
            Some(format!("run under sudo, or have root write 1 to {USERNS_CLONE}"))
        }
        Step::Unshare if denied => Some(String::from(
            "a seccomp filter, such as that of Docker, may forbid it: run outside the container, open a TUN directly \
             (`--cap-add NET_ADMIN --device /dev/net/tun`), or use the simulator",
        )),
        Step::OpenTun(_) => tun::advice(error).map(String::from),
        Step::Write { .. } if error.kind() == io::ErrorKind::ReadOnlyFilesystem => {
            Some(String::from("/proc is read-only, as containers have it: run outside of it"))
        }
        _ => None,
    }
}

/// Whether `error` is about the mode of `/dev/net/tun`, which no profile would change.
fn is_closed_device(step: &Step, error: &io::Error) -> bool {
    matches!(step, Step::OpenTun(_)) && error.raw_os_error() == Some(tun::EACCES)
}

const APPARMOR: &str = "/proc/sys/kernel/apparmor_restrict_unprivileged_userns";
const USERNS_CLONE: &str = "/proc/sys/kernel/unprivileged_userns_clone";
const NAMESPACES_MAX: &str = "/proc/sys/user/max_user_namespaces";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::tun::Name;
    use rustix::io::Errno;

    #[test]
    fn each_known_refusal_comes_with_a_way_on() {
        let tun = || Step::OpenTun(Name::new("tun0").unwrap());
        for (step, errno, way) in [
            (tun(), Errno::ACCESS, "chmod 0666 /dev/net/tun"),
            (tun(), Errno::NOENT, "modprobe tun"),
            (tun(), Errno::PERM, "sudo"),
            (Step::Unshare, Errno::NOSPC, "max_user_namespaces is "),
            (Step::Write { path: c"/proc/sys/net/ipv4/x".into(), value: "1".into() }, Errno::ROFS, "read-only"),
        ] {
            let advice = on(&step, &errno.into()).unwrap();
            assert!(advice.contains(way), "{step}: {advice}");
        }
        assert!(on(&Step::Unshare, &Errno::PERM.into()).is_some());
        assert_eq!(on(&Step::OpenDoor, &Errno::MFILE.into()), None);
    }
}
