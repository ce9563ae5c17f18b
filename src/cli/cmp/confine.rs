//! The kernel's bounds of a program that renders: it reads the checkout and what it is made of itself, writes nothing, and
//! speaks to nobody. Linux has them (Landlock) from 5.13 on, those of the network from 6.7 on; where they are not there,
//! what is asked before has to do.

use std::path::Path;

/// Does something on a thread that is bounded, and so is every process that it starts: of all but the system they see
/// what is `readable`.
#[cfg(target_os = "linux")]
pub fn confined<T: Send>(readable: &[&Path], work: impl FnOnce() -> T + Send) -> T {
    std::thread::scope(|scope| {
        let bounded = scope.spawn(|| {
            // Bounds that cannot be set are none; nothing else depends on them.
            let _unbounded = bound(readable);
            work()
        });
        bounded.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

/// Does something; there are no bounds here.
#[cfg(not(target_os = "linux"))]
pub fn confined<T>(_: &[&Path], work: impl FnOnce() -> T) -> T {
    work()
}

/// Where programs are, and what those are made of that are not static.
#[cfg(target_os = "linux")]
const SYSTEM: [&str; 8] = ["/bin", "/sbin", "/lib", "/lib64", "/usr", "/opt", "/nix", "/etc/ld.so.cache"];

#[cfg(target_os = "linux")]
fn bound(readable: &[&Path]) -> Result<(), landlock::RulesetError> {
    use landlock::{
        ABI, Access, AccessFs, AccessNet, CompatLevel, Compatible, Ruleset, RulesetAttr, RulesetCreatedAttr,
        path_beneath_rules,
    };
    let abi = ABI::V4;
    let readable = SYSTEM.map(Path::new).into_iter().chain(readable.iter().copied());
    Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(abi))?
        .handle_access(AccessNet::from_all(abi))?
        .create()?
        .add_rules(path_beneath_rules(readable, AccessFs::from_read(abi)))?
        .add_rules(path_beneath_rules(["/dev/null", "/dev/zero", "/dev/urandom"], AccessFs::from_file(abi)))?
        .restrict_self()?;
    Ok(())
}
