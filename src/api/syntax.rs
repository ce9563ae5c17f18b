//! The syntax of texts that users write into resources and settings: patterns, each with the words
//! that say what it asks for. The CRD shows the patterns to the API server, and [`check`] applies
//! the same ones here, so that no door is stricter than another.

use regex_lite::Regex;
use std::sync::LazyLock;

/// A pattern, and what to say to somebody whose text does not match it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Syntax {
    /// The pattern, anchored at both ends, in the common part of RE2 and ECMA 262.
    pub pattern: &'static str,
    /// What is expected, as the end of a sentence.
    pub expected: &'static str,
}

macro_rules! var {
    () => {
        r"\$\([-._a-zA-Z][-._a-zA-Z0-9]*\)"
    };
}

/// The name of an environment variable.
pub const ENV_NAME: Syntax = Syntax {
    pattern: "^[a-zA-Z_][a-zA-Z0-9_]*$",
    expected: "the name of a variable: letters, digits and _, not beginning with a digit",
};

/// The key of a label.
pub const LABEL_KEY: Syntax = Syntax {
    pattern: r"^([a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$",
    expected: "a label key: at most 63 letters, digits, -, _ and ., with a letter or digit at both ends, after an optional DNS prefix and /",
};

/// The value of a label.
pub const LABEL_VALUE: Syntax = Syntax {
    pattern: "^([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?$",
    expected: "a label value: at most 63 letters, digits, -, _ and ., with a letter or digit at both ends",
};

/// The name of an object: a DNS subdomain.
pub const OBJECT_NAME: Syntax = Syntax {
    pattern: r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$",
    expected: "the name of a Kubernetes object: lower-case letters, digits, - and ., with a letter or digit at both ends",
};

/// The name of a namespace, a volume or a Service: a DNS label.
pub const DNS_LABEL: Syntax = Syntax {
    pattern: "^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$",
    expected: "at most 63 lower-case letters, digits and -, with a letter or digit at both ends",
};

/// The key of an entry of a Secret or `ConfigMap`.
pub const DATA_KEY: Syntax =
    Syntax { pattern: r"^[-._a-zA-Z0-9]{1,253}$", expected: "a key: letters, digits, -, _ and ." };

/// `name/key` of a Secret.
pub const SECRET_REFERENCE: Syntax = Syntax {
    pattern: r"^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?/[-._a-zA-Z0-9]{1,253}$",
    expected: "the name of a Secret and one of its keys, as name/key",
};

/// An OTLP endpoint: an http or https URL, whole or in part a reference to another variable.
pub const ENDPOINT: Syntax = Syntax {
    pattern: concat!(
        r"^(",
        var!(),
        r"\S*|https?://([^\s/?#@]+@)?(\[[0-9a-fA-F:.]+\]|([a-zA-Z0-9._-]|",
        var!(),
        r")+)(:([1-9][0-9]{0,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5]|",
        var!(),
        r"))?([/?#]\S*)?)$"
    ),
    expected: "an http:// or https:// URL such as http://openlit.openlit.svc.cluster.local:4318, or a reference such as $(COLLECTOR_URL)",
};

/// OTLP headers as one text.
pub const HEADERS: Syntax = Syntax {
    pattern: concat!(
        r"^(",
        var!(),
        r"|\s*[!#$%&'*+.^_`|~0-9A-Za-z-]+\s*=[^,\r\n]*(,\s*[!#$%&'*+.^_`|~0-9A-Za-z-]+\s*=[^,\r\n]*)*)?$"
    ),
    expected: "name=value pairs with commas between them (a comma inside a value is written %2C), or a reference such as $(OTLP_HEADERS)",
};

/// The name of one header.
pub const HEADER_NAME: Syntax =
    Syntax { pattern: r"^[!#$%&'*+.^_`|~0-9A-Za-z-]+$", expected: "the name of an HTTP header" };

/// The version of the published packages: an image tag.
pub const VERSION: Syntax = Syntax {
    pattern: r"^(latest|v?[0-9]+\.[0-9]+\.[0-9]+[A-Za-z0-9_.-]{0,100})$",
    expected: "latest, or a whole version such as 1.0.0 or v1.0.0",
};

/// A reference to an image, with registry port, tag and digest as they please.
pub const IMAGE: Syntax = Syntax {
    pattern: r"^((([a-zA-Z0-9]([-a-zA-Z0-9]*[a-zA-Z0-9])?(\.[a-zA-Z0-9]([-a-zA-Z0-9]*[a-zA-Z0-9])?)*)|\[[a-fA-F0-9:]+\])(:[0-9]+)?/)?[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*(/[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*)*(:[A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?(@[A-Za-z][A-Za-z0-9]*([-_+.][A-Za-z][A-Za-z0-9]*)*:[0-9a-fA-F]{32,})?$",
    expected: "an image such as registry.example.com:5000/team/image:1.0.0 or image@sha256:<64 hex digits>",
};

/// Further pip requirements. What each item must look like is checked one by one.
pub const PACKAGES: Syntax = Syntax {
    pattern: r"^[\s,]*([^\s,-][^,\n]*([,\n][\s,]*|$))*$",
    expected: "pip requirements with commas between them, none of which begins with -",
};

/// The key of a resource attribute.
pub const ATTRIBUTE_KEY: Syntax = Syntax {
    pattern: r"^[A-Za-z][A-Za-z0-9_./-]{0,254}$",
    expected: "the key of a resource attribute, such as team.name",
};

/// An amount of memory, disk or processor time.
pub const QUANTITY: Syntax =
    Syntax { pattern: super::quantity::PATTERN, expected: "a quantity such as 100m, 0.5, 128Mi or 1Gi" };

/// A kind that holds pod templates, as `--workload` takes it. What paths mean is for `manifest` to say.
pub const WORKLOAD: Syntax = Syntax {
    pattern: r"^([a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?[A-Z][A-Za-z0-9]*=[^\s,=]+$",
    expected: "group/Kind=path.to.template, such as batch.volcano.sh/Job=spec.tasks[*].template",
};

/// All of them, to find the words for a pattern.
pub const ALL: &[Syntax] = &[
    ENV_NAME,
    LABEL_KEY,
    LABEL_VALUE,
    OBJECT_NAME,
    DNS_LABEL,
    DATA_KEY,
    SECRET_REFERENCE,
    ENDPOINT,
    HEADERS,
    HEADER_NAME,
    VERSION,
    IMAGE,
    PACKAGES,
    ATTRIBUTE_KEY,
    QUANTITY,
    WORKLOAD,
];

/// The compiled patterns, in the order of [`ALL`]: each is compiled when it is first needed.
static COMPILED: [LazyLock<Option<Regex>>; 16] = {
    macro_rules! compiled {
        ($($index:literal)*) => { [$(LazyLock::new(|| Regex::new(ALL[$index].pattern).ok())),*] };
    }
    compiled!(0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15)
};

/// Whether a text has a syntax.
pub fn check(syntax: Syntax, text: &str) -> bool {
    ALL.iter()
        .position(|known| *known == syntax)
        .and_then(|index| COMPILED[index].as_ref())
        .is_some_and(|pattern| pattern.is_match(text))
}

/// The syntax that a pattern of the schema stands for.
pub fn of_pattern(pattern: &str) -> Option<Syntax> {
    ALL.iter().copied().find(|syntax| syntax.pattern == pattern)
}

/// Divides a list of pip requirements into items: at commas and line ends, but not at a comma within
/// brackets, nor at one before a comparison, so that `torch>=2,<3` is one item.
pub fn packages(text: &str) -> Vec<String> {
    let mut items: Vec<String> = Vec::new();
    let mut depth = 0_usize;
    let mut start = 0;
    let mut push = |piece: &str, by_comma: bool| {
        let piece = piece.trim();
        match items.last_mut() {
            Some(last) if by_comma && piece.starts_with(['<', '>', '=', '!', '~']) => {
                last.push(',');
                last.push_str(piece);
            }
            _ if piece.is_empty() => {}
            _ => items.push(piece.to_owned()),
        }
    };
    let mut by_comma = false;
    for (index, byte) in text.bytes().enumerate() {
        match byte {
            b'[' | b'(' => depth += 1,
            b']' | b')' => depth = depth.saturating_sub(1),
            b'\n' | b',' if byte == b'\n' || depth == 0 => {
                push(&text[start..index], by_comma);
                by_comma = byte == b',';
                start = index + 1;
                depth = 0;
            }
            _ => {}
        }
    }
    push(&text[start..], by_comma);
    items
}

/// Why an item is no pip requirement that can be passed as one argument; nothing where it is one.
///
/// A requirement is a name with extras, and then nothing, a comparison, a marker or `@ URL`; or a URL
/// or path of its own.
pub fn package_problem(item: &str) -> Option<&'static str> {
    if item.starts_with('-') {
        return Some("begins with -, and would be an option of pip");
    }
    if item.chars().any(char::is_control) {
        return Some("holds a control character");
    }
    if item.contains("://") || item.starts_with(['/', '.']) {
        return None;
    }
    let end = item.find(|c: char| !c.is_ascii_alphanumeric() && !matches!(c, '-' | '_' | '.')).unwrap_or(item.len());
    let (name, rest) = item.split_at(end);
    if !name.starts_with(|c: char| c.is_ascii_alphanumeric()) {
        return Some("does not begin with the name of a package");
    }
    let mut rest = rest.trim_start();
    if let Some(extras) = rest.strip_prefix('[') {
        match extras.split_once(']') {
            Some((_, after)) => rest = after.trim_start(),
            None => return Some("has [ without ]"),
        }
    }
    match rest.bytes().next() {
        None | Some(b'<' | b'>' | b'=' | b'!' | b'~' | b';' | b'@' | b'(') => None,
        Some(_) => Some("is more than one package; put a comma between them"),
    }
}

/// A text as messages may show it: without the names and passwords of the URLs in it, and without
/// their queries, which may hold keys. Every message that shows what a user wrote shows this.
///
/// What stands before an `@` is hidden even where a URL has no scheme, but not before a digest. What
/// stands behind a colon and is no port is hidden with what stands before it: a password may hold a
/// slash, and then its `@` comes late.
pub fn shown(text: &str) -> String {
    let word = |word: &str| {
        let end = word.trim_end().len();
        format!("{}{}", shown_word(&word[..end]), &word[end..])
    };
    text.split_inclusive(char::is_whitespace).map(word).collect()
}

fn shown_word(word: &str) -> String {
    let Some(scheme) = word.find("://") else {
        let end = word.find(['/', '?', '#']).unwrap_or(word.len());
        return match word[..end].rfind('@') {
            Some(at) if at > 0 && !is_digest(&word[at + 1..]) => format!("{HIDDEN}{}", &word[at..]),
            _ => word.to_owned(),
        };
    };
    let (head, rest) = word.split_at(scheme + 3);
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let rest = match rest[..end].rfind('@') {
        Some(at) => format!("{HIDDEN}{}", &rest[at..]),
        None if has_port_or_none(&rest[..end]) => rest.to_owned(),
        None => format!("{HIDDEN}{}", rest.rfind('@').map_or("", |at| &rest[at..])),
    };
    // What follows the host may hold another URL, as in a list without spaces.
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (host, path) = rest.split_at(end);
    let path = match path.split_once('?') {
        Some((path, query)) => {
            let kept = query.find('#').map_or("", |at| &query[at..]);
            format!("{path}?{HIDDEN}{kept}")
        }
        None => path.to_owned(),
    };
    let path = if path.contains("://") { shown_word(&path) } else { path };
    format!("{head}{host}{path}")
}

/// What stands for what is not shown.
const HIDDEN: &str = "***";

/// Whether what follows an `@` is the digest of an image.
fn is_digest(text: &str) -> bool {
    text.starts_with("sha256:") || text.starts_with("sha512:")
}

/// Whether a host has no colon, or a port behind it, or is an address in brackets, or refers to variables.
fn has_port_or_none(host: &str) -> bool {
    let host = host.trim_end_matches(|c| ",;.:)\"'".contains(c));
    let behind = host.rsplit_once(']').map_or(host, |(_, rest)| rest);
    behind.split_once(':').is_none_or(|(_, port)| port.starts_with("$(") || port.bytes().all(|b| b.is_ascii_digit()))
}

/// The name that is nearest to one that is unknown, if any is near enough to be meant.
pub fn nearest<'n>(unknown: &str, known: impl IntoIterator<Item = &'n str>) -> Option<&'n str> {
    let wanted = unknown.to_ascii_lowercase();
    known
        .into_iter()
        .map(|name| (distance(&wanted, &name.to_ascii_lowercase()), name))
        .filter(|(distance, name)| *distance <= (name.len().min(unknown.len()) / 4).clamp(1, 4))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}

/// How many characters must be added, dropped, changed or swapped with their neighbour.
fn distance(a: &str, b: &str) -> usize {
    let (a, b) = (a.as_bytes(), b.as_bytes());
    if a.len().abs_diff(b.len()) > 4 {
        return usize::MAX;
    }
    let mut before = vec![0; b.len() + 1];
    let mut above: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let changed = usize::from(a[i - 1] != b[j - 1]);
            let mut cost = (above[j - 1] + changed).min(above[j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                cost = cost.min(before[j - 2] + 1);
            }
            row.push(cost);
        }
        before = std::mem::replace(&mut above, row);
    }
    above[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accepts(syntax: Syntax, good: &[&str], bad: &[&str]) {
        for text in good {
            assert!(check(syntax, text), "{text} should be {}", syntax.expected);
        }
        for text in bad {
            assert!(!check(syntax, text), "{text} should not be {}", syntax.expected);
        }
    }

    #[test]
    fn every_pattern_compiles_and_is_anchored() {
        assert_eq!(ALL.len(), COMPILED.len());
        for (syntax, compiled) in ALL.iter().zip(&COMPILED) {
            assert!(compiled.is_some(), "{}", syntax.pattern);
            assert!(syntax.pattern.starts_with('^') && syntax.pattern.ends_with('$'), "{}", syntax.pattern);
        }
    }

    #[test]
    fn endpoints_are_http_urls_or_references() {
        accepts(
            ENDPOINT,
            &[
                "http://openlit:4318",
                "https://otel.highlight.io:4318/v1/traces",
                "https://YOUR_ENVIRONMENT_ID.live.dynatrace.com/api/v2/otlp",
                "http://[::1]:4318",
                "http://[2001:db8::1]/otlp",
                "http://$(NODE_IP):4318",
                "https://$(HOST).example.com:$(PORT)/x",
                "$(COLLECTOR)",
                "$(COLLECTOR)/v1",
                "https://user:word@collector.example.com",
                "http://h:65535",
            ],
            &[
                "",
                "openlit:4318",
                "grpc://openlit:4317",
                "http://",
                "http://a b",
                "http://h:0",
                "http://h:65536",
                "http://h:abc",
                "http://::1:4318",
                "http:///path",
                "YOUR_OTELCOL_URL:4318",
                "http://h\n",
                "$(unclosed",
            ],
        );
    }

    #[test]
    fn headers_are_pairs_or_a_reference() {
        accepts(
            HEADERS,
            &["", "authorization=Bearer abc123", "a=1,b=2", "a=, b=x=y", "auth=Bearer%20token", "DD-API-KEY=k", "$(H)"],
            &["authorization", "a=1,b", "=x", "a b=c", "a=1\nb=2", "Authorization: Bearer x"],
        );
    }

    #[test]
    fn versions_are_latest_or_whole() {
        accepts(
            VERSION,
            &["latest", "1.0.0", "v1.0.0", "1.2.3-rc.1", "v0.5.0"],
            &["", "1.0", "lastest", "main", "1.0.0+x"],
        );
    }

    #[test]
    fn images_may_have_ports_tags_and_digests() {
        let digest = format!("a/b@sha256:{}", "0".repeat(64));
        let both = format!("localhost:5000/a/b:1@sha256:{}", "f".repeat(64));
        accepts(
            IMAGE,
            &[
                "my-registry.com/custom:v1.0.0",
                "registry:5000/x",
                "python",
                "ghcr.io/openlit/a__b-c:latest",
                &digest,
                &both,
            ],
            &["", "a/UPPER:1", "a b", "a:tag:tag", "a@sha256:1", "https://ghcr.io/x", "a/", "-x:1"],
        );
    }

    #[test]
    fn labels_have_the_syntax_of_kubernetes() {
        let long = "x".repeat(64);
        accepts(
            LABEL_KEY,
            &["app", "app.kubernetes.io/name", "a_b.C"],
            &["", "/x", "UP/x", "a/b/c", "-a", "a b", &long],
        );
        accepts(LABEL_VALUE, &["", "true", "v1.0_x-y"], &["-a", "a b", "a/b", &long]);
    }

    #[test]
    fn packages_that_begin_with_a_dash_have_no_chance() {
        accepts(
            PACKAGES,
            &["", "a>=1.0", "a, b==2,", "uvicorn[standard]~=0.3,torch>=2,<3", "a\nb", "x @ https://h/x.whl"],
            &["-r file", "a,-r file", "a, --index-url=x", "a\n-e ."],
        );
    }

    #[test]
    fn packages_are_divided_at_commas_that_divide_them() {
        assert_eq!(packages("langchain>=0.1.0,chromadb>=0.4.0"), ["langchain>=0.1.0", "chromadb>=0.4.0"]);
        assert_eq!(packages(" a[x,y]>=1, <2 ,,b , "), ["a[x,y]>=1,<2", "b"]);
        assert_eq!(packages("a\n b\n"), ["a", "b"]);
        assert!(packages("  , ").is_empty());
    }

    #[test]
    fn what_pip_could_not_take_as_one_argument_is_refused() {
        for item in [
            "a",
            "a==1",
            "a [x] >= 1",
            "a; python_version<'3.12'",
            "a @ https://h/x",
            "git+https://h/r",
            "./x.whl",
            "a.b_c",
        ] {
            assert_eq!(package_problem(item), None, "{item}");
        }
        for item in ["a b", "-r x", "a[x", "@x", "$(rm)", "a\u{7}"] {
            assert!(package_problem(item).is_some(), "{item}");
        }
    }

    #[test]
    fn credentials_are_hidden() {
        for (text, expected) in [
            ("https://u:p@h/x@y", "https://***@h/x@y"),
            ("https://token@h", "https://***@h"),
            ("https://u:p@s@h", "https://***@h"),
            ("https://u:p/w@h/x", "https://***@h/x"),
            ("https://u:p w@h", "https://*** ***@h"),
            ("ftp://u:p@h:21", "ftp://***@h:21"),
            ("u:p@h:4318", "***@h:4318"),
            ("foo @ git+https://u:p@h/r@v1, bar", "foo @ git+https://***@h/r@v1, bar"),
            ("--extra-index-url https://u:p@h/simple\nb", "--extra-index-url https://***@h/simple\nb"),
            ("a@https://u:p@h/x,b@https://v:q@i/y", "a@https://***@h/x,b@https://***@i/y"),
            ("https://h/x?key=p#egg=a b", "https://h/x?***#egg=a b"),
            ("https://h/x?key=p\nb", "https://h/x?***\nb"),
        ] {
            assert_eq!(shown(text), expected);
            assert_eq!(shown(expected), expected, "twice is once");
        }
    }

    #[test]
    fn what_holds_no_credentials_is_shown() {
        for text in [
            "",
            "@",
            "a @ b",
            "http://h:1",
            "(http://h:4318)",
            "http://[::1]:4318/x",
            "http://$(IP):$(PORT)/",
            "git+https://h/r@v1#egg=a",
            "https://h:1, https://i",
            "a:1@sha256:0123",
            "/mnt/@x",
            "team/app@1",
            "YOUR_URL:4318",
        ] {
            assert_eq!(shown(text), text);
        }
    }

    #[test]
    fn the_nearest_name_is_offered_when_it_is_near() {
        assert_eq!(nearest("endpiont", ["endpoint", "headers"]), Some("endpoint"));
        assert_eq!(nearest("OPENLIT_OTLP_ENDPIONT", ["OPENLIT_OTLP_ENDPOINT"]), Some("OPENLIT_OTLP_ENDPOINT"));
        assert_eq!(nearest("colour", ["endpoint", "headers"]), None);
    }
}
