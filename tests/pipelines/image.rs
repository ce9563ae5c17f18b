//! The image of the container function, as far as it can be had without Docker: the build step of the Dockerfile is run as
//! it stands there, for both architectures, and what it leaves for the image is a static program that runs alone.

use super::place::ROOT;
use super::tools::Tools;
use libtest_mimic::{Completion, Trial};
use std::fs;
use std::path::Path;
use std::process::Command;

/// As Docker calls an architecture, the target of Rust, and the number that an ELF file has for it.
const ARCHITECTURES: [(&str, &str, u16); 2] =
    [("amd64", "x86_64-unknown-linux-musl", 62), ("arm64", "aarch64-unknown-linux-musl", 183)];

/// The number of a program header that names a dynamic loader.
const INTERPRETER: u32 = 3;

/// One test an architecture. They build for minutes.
pub fn trials(tools: &Tools) -> Vec<Trial> {
    let trial = |(architecture, target, machine): (&'static str, &'static str, u16)| {
        let name = format!("image::is_static ({architecture})");
        if is_installed(target) {
            tools.slow_trial(&name, &[], move |_| is_static(architecture, machine))
        } else {
            let why = format!("skipped: Rust for {target} is missing (rustup target add {target})");
            Trial::ignorable_test(name, || Ok(Completion::ignored_with(why)))
        }
    };
    ARCHITECTURES.into_iter().map(trial).collect()
}

fn is_installed(target: &str) -> bool {
    let output = Command::new("rustup").args(["target", "list", "--installed"]).current_dir(Path::new(ROOT)).output();
    output.is_ok_and(|output| String::from_utf8_lossy(&output.stdout).lines().any(|line| line == target))
}

fn is_static(architecture: &str, machine: u16) {
    let out = tempfile::tempdir().unwrap();
    let step = build_step();
    assert!(step.contains("--root /out"), "{step}");
    let step = step.replace("--root /out", &format!("--root '{}'", out.path().display()));
    let built = Command::new("sh")
        .args(["-euc", &step])
        .current_dir(Path::new(ROOT))
        .env("TARGETARCH", architecture)
        .env("CARGO_TARGET_DIR", Path::new(env!("CARGO_TARGET_TMPDIR")).join("image"))
        // How it is linked is the question here, and not how fast it is.
        .env("CARGO_PROFILE_RELEASE_OPT_LEVEL", "0")
        .env("CARGO_PROFILE_RELEASE_LTO", "off")
        .env("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "256")
        .output()
        .unwrap();
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    let program = out.path().join("bin/prelit");
    let bytes = fs::read(&program).unwrap();
    assert_eq!(u16_at(&bytes, 18), machine, "the architecture");
    assert!(!program_headers(&bytes).contains(&INTERPRETER), "it asks for a dynamic loader");
    if machine == u16_at(&fs::read(env!("CARGO_BIN_EXE_prelit")).unwrap(), 18) {
        let version = Command::new(&program).arg("--version").env_clear().output().unwrap();
        assert!(version.stdout.starts_with(b"prelit "), "{version:?}");
    }
}

/// The `RUN` of the Dockerfile.
fn build_step() -> String {
    let dockerfile = fs::read_to_string(Path::new(ROOT).join("kustomize-plugin/container/Dockerfile")).unwrap();
    let (_, run) = dockerfile.split_once("\nRUN ").expect("a RUN");
    run.replace("\\\n", " ").lines().next().unwrap_or_default().to_owned()
}

/// The types of all program headers of a 64-bit ELF file.
fn program_headers(bytes: &[u8]) -> Vec<u32> {
    let start = usize::try_from(u64::from_le_bytes(bytes[32..40].try_into().unwrap())).unwrap();
    let (size, count) = (usize::from(u16_at(bytes, 54)), usize::from(u16_at(bytes, 56)));
    let kind = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap());
    (0..count).map(|index| kind(start + index * size)).collect()
}

fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes([bytes[at], bytes[at + 1]])
}
