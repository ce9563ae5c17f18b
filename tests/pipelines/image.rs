//! The images, as far as they can be had without Docker: the build steps of each Dockerfile are run as they stand there, for
//! both architectures, what the last stage copies is laid out, and all of it must be static programs that run alone. The
//! sidecar's must render in there, as the user that it has, without network and with nothing to write but `/tmp`.

use super::place::{Place, ROOT, Run};
use super::tools::Tools;
use libtest_mimic::{Completion, Trial};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// As Docker calls an architecture, the target of Rust, and the number that an ELF file has for it.
const ARCHITECTURES: [(&str, &str, u16); 2] =
    [("amd64", "x86_64-unknown-linux-musl", 62), ("arm64", "aarch64-unknown-linux-musl", 183)];

/// What images begin with: nothing, or certificates of public authorities and the like, and no program.
const BASES: [&str; 2] = ["scratch", "gcr.io/distroless/static-debian12"];

/// The number of a program header that names a dynamic loader.
const INTERPRETER: u32 = 3;

/// One image that this repository has a Dockerfile for.
struct Image {
    name: &'static str,
    dockerfile: &'static str,
    /// The tools that build it for each of the architectures.
    needs: [&'static [&'static str]; 2],
    /// Its programs, with how they are asked for their version and what they say; every other file is text.
    programs: &'static [(&'static str, &'static [&'static str], &'static str)],
    texts: &'static [&'static str],
}

const IMAGES: [&Image; 3] = [
    &Image {
        name: "function",
        dockerfile: "kustomize-plugin/container/Dockerfile",
        needs: [&[], &[]],
        programs: &[("prelit", &["--version"], "prelit ")],
        texts: &[],
    },
    &Image {
        name: "sidecar",
        dockerfile: "argocd-cmp/Dockerfile",
        needs: [&["go"], &["go"]],
        programs: &[
            ("usr/local/bin/helm", &["version", "--short"], "v4."),
            ("usr/local/bin/kustomize", &["version"], "v5."),
            ("usr/local/bin/prelit", &["--version"], "prelit "),
        ],
        texts: &["home/argocd/cmp-server/config/plugin.yaml"],
    },
    &Image {
        name: "webhook",
        dockerfile: "deploy/webhook/Dockerfile",
        needs: [&["x86_64-linux-gnu-gcc"], &["aarch64-linux-gnu-gcc"]],
        programs: &[("prelit", &["--version"], "prelit ")],
        texts: &[],
    },
];

/// One test an image and architecture, and one for what they share. They build for minutes.
pub fn trials(tools: &Tools) -> Vec<Trial> {
    let mut trials = vec![tools.trial("image::the_program_is_built_in_one_way", &[], |_| built_in_one_way())];
    for image in IMAGES {
        for ((architecture, target, machine), needs) in ARCHITECTURES.into_iter().zip(image.needs) {
            let name = format!("image::is_static ({}, {architecture})", image.name);
            let is_foreign = machine != u16_at(&fs::read(env!("CARGO_BIN_EXE_prelit")).unwrap(), 18);
            trials.push(if is_foreign && !needs.is_empty() && std::env::var_os("PRELIT_FOREIGN").is_none() {
                let why = "skipped: compiled anew for another architecture (set PRELIT_FOREIGN=1)";
                Trial::ignorable_test(name, move || Ok(Completion::ignored_with(why)))
            } else if is_installed(target) {
                tools.slow_trial(&name, needs, move |_| is_static(image, architecture, machine))
            } else {
                let why = format!("skipped: Rust for {target} is missing (rustup target add {target})");
                Trial::ignorable_test(name, || Ok(Completion::ignored_with(why)))
            });
        }
    }
    trials.push(tools.slow_ignorable_trial("image::renders_alone", &["go"], renders_alone));
    trials
}

fn is_installed(target: &str) -> bool {
    let output = Command::new("rustup").args(["target", "list", "--installed"]).current_dir(Path::new(ROOT)).output();
    output.is_ok_and(|output| String::from_utf8_lossy(&output.stdout).lines().any(|line| line == target))
}

/// No Dockerfile can take a stage of another one, so the stage stands in each that needs no webhook.
fn built_in_one_way() {
    let builds = [IMAGES[0], IMAGES[1]].map(|image| {
        let lines = lines(image);
        let stage = lines.into_iter().skip_while(|(word, _)| word != "WORKDIR").take_while(|(word, _)| word != "FROM");
        stage.collect::<Vec<_>>()
    });
    assert_eq!(builds[0], builds[1]);
}

fn is_static(image: &Image, architecture: &str, machine: u16) {
    let built = tempfile::tempdir().unwrap();
    let out = built.path().join("out");
    build(image, architecture, &out);
    let root = built.path().join("root");
    lay_out(image, &out, &root);
    let mut expected: Vec<PathBuf> = image.programs.iter().map(|(program, ..)| PathBuf::from(program)).collect();
    expected.extend(image.texts.iter().map(PathBuf::from));
    expected.sort();
    assert_eq!(files(&root), expected, "what is in the image");
    let native = machine == u16_at(&fs::read(env!("CARGO_BIN_EXE_prelit")).unwrap(), 18);
    for (program, question, answer) in image.programs {
        let program = root.join(program);
        let bytes = fs::read(&program).unwrap();
        assert_eq!(u16_at(&bytes, 18), machine, "the architecture of {}", program.display());
        assert!(!program_headers(&bytes).contains(&INTERPRETER), "{} asks for a dynamic loader", program.display());
        if native {
            let version = Command::new(&program).args(*question).env_clear().output().unwrap();
            assert!(version.stdout.starts_with(answer.as_bytes()), "{}: {version:?}", program.display());
        }
    }
}

/// The examples of the guide, rendered in the image of this machine's architecture as a container would be confined.
fn renders_alone(place: &Place) -> Completion {
    let machine = u16_at(&fs::read(env!("CARGO_BIN_EXE_prelit")).unwrap(), 18);
    let (architecture, target, _) = ARCHITECTURES.into_iter().find(|(.., of)| *of == machine).expect("amd64 or arm64");
    let confine = ["--user", "--map-user=999", "--map-group=999", "--net"];
    let can = Command::new("unshare").args(confine).arg("true").output().is_ok_and(|output| output.status.success());
    if !can || !is_installed(target) {
        return Completion::ignored_with(format!("skipped: no `unshare --user`, or no Rust for {target}"));
    }
    let (out, root) = (place.path("out"), place.path("root"));
    build(IMAGES[1], architecture, &out);
    lay_out(IMAGES[1], &out, &root);
    for mounted in ["tmp", "repository", "dev"] {
        fs::create_dir(root.join(mounted)).unwrap();
    }
    place.write("root/dev/null", "");
    for (folder, to) in [("examples", "repository/examples"), ("install/defaults", "etc/prelit")] {
        fs::create_dir_all(root.join(to).parent().unwrap()).unwrap();
        place.copy(&format!("argocd-cmp/{folder}"), root.join(to));
    }
    let label = r#"[{"name": "values", "string": "instrument: true"}]"#;
    for (example, parameters) in [("examples/kustomize/production", "[]"), ("examples/helm/chart", label)] {
        let mut command = Command::new("unshare");
        command
            .args(confine)
            .arg(format!("--root={}", root.display()))
            .arg(format!("--wd=/repository/{example}"))
            .args(["/usr/local/bin/prelit", "cmp", "generate"])
            .env_clear()
            .env("PATH", "/usr/local/bin:/usr/bin:/bin")
            .envs([
                ("ARGOCD_APP_NAME", "example"),
                ("ARGOCD_APP_SOURCE_PATH", example),
                ("ARGOCD_APP_PARAMETERS", parameters),
            ]);
        let generated = Run::of(&mut command, "").succeeded();
        assert_eq!(generated.stdout.matches("openlit.io/injection:").count(), 2, "{generated}");
    }
    let left = files(&root.join("tmp"));
    assert!(left.is_empty(), "{left:?} is left in /tmp");
    Completion::Completed
}

/// Runs every `RUN`, with what `ARG` and `ENV` before it in its stage say.
fn build(image: &Image, architecture: &str, out: &Path) {
    let mut variables = BTreeMap::new();
    for (word, rest) in lines(image) {
        match word.as_str() {
            "FROM" => variables.clear(),
            "ARG" | "ENV" => {
                for (name, value) in rest.split_whitespace().filter_map(|pair| pair.split_once('=')) {
                    variables.insert(name.to_owned(), value.to_owned());
                }
            }
            "RUN" => {
                assert!(rest.contains("/out"), "{rest}");
                let ran = Command::new("sh")
                    .args(["-euc", &rest.replace("/out", &format!("'{}'", out.display()))])
                    .current_dir(Path::new(ROOT))
                    .envs(&variables)
                    .env("TARGETARCH", architecture)
                    .env("CARGO_TARGET_DIR", Path::new(env!("CARGO_TARGET_TMPDIR")).join("image"))
                    // How it is linked is the question here, and not how fast it is.
                    .env("CARGO_PROFILE_RELEASE_OPT_LEVEL", "0")
                    .env("CARGO_PROFILE_RELEASE_LTO", "off")
                    .env("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "256")
                    .output()
                    .unwrap();
                assert!(ran.status.success(), "{rest}\n{}", String::from_utf8_lossy(&ran.stderr));
            }
            _ => {}
        }
    }
}

/// Does what the `COPY` lines of the last stage say: the image is that and nothing more.
fn lay_out(image: &Image, out: &Path, root: &Path) {
    let lines = lines(image);
    let last = lines.iter().rposition(|(word, _)| word == "FROM").expect("a FROM");
    assert!(BASES.contains(&lines[last].1.as_str()), "the last stage");
    for (_, rest) in lines[last..].iter().filter(|(word, _)| word == "COPY") {
        let mut words: Vec<&str> = rest.split_whitespace().collect();
        let from_stage = words[0].starts_with("--from=");
        words.drain(..usize::from(from_stage));
        let to = words.pop().expect("a target");
        for from in words {
            let file = match from.strip_prefix("/out/") {
                Some(built) if from_stage => out.join(built),
                _ => Path::new(ROOT).join(from),
            };
            let target = root.join(to.trim_start_matches('/'));
            let target = if to.ends_with('/') { target.join(file.file_name().unwrap()) } else { target };
            fs::create_dir_all(target.parent().unwrap()).unwrap();
            fs::copy(&file, &target).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        }
    }
}

/// The instructions of a Dockerfile: the first word, and the rest with its continuation lines.
fn lines(image: &Image) -> Vec<(String, String)> {
    let text = fs::read_to_string(Path::new(ROOT).join(image.dockerfile)).unwrap();
    let text = text.lines().filter(|line| !line.starts_with('#')).collect::<Vec<_>>().join("\n");
    let joined = text.replace("\\\n", " ");
    let instructions = joined.lines().filter_map(|line| line.split_once(' '));
    instructions.map(|(word, rest)| (word.to_owned(), rest.trim().to_owned())).collect()
}

/// All files below a folder, by their paths from there.
fn files(root: &Path) -> Vec<PathBuf> {
    let (mut found, mut folders) = (Vec::new(), vec![root.to_owned()]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                found.push(path.strip_prefix(root).unwrap().to_owned());
            }
        }
    }
    found.sort();
    found
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
