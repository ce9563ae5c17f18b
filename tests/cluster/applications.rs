//! What Argo CD's plugin renders of the example Applications, applied: Argo CD compares it with the cluster as
//! `kubectl diff` does, and an Application is in sync where there is no difference. `tests/pipelines` holds these files
//! to what the plugin writes, by itself and in Argo CD's plugin server.

use super::Ground;
use super::control_plane::ControlPlane;
use super::place::Place;
use super::support::manifest::documents;
use libtest_mimic::Trial;

pub fn trials(ground: &Ground) -> Vec<Trial> {
    vec![
        ground.trial("applications::are_in_sync_once_applied", are_in_sync_once_applied),
        ground.trial("applications::show_what_is_still_to_come", show_what_is_still_to_come),
    ]
}

/// Both ways in which Argo CD applies, and a second generation, which is the same bytes: nothing is ever to be done.
fn are_in_sync_once_applied(place: &Place) {
    for (application, namespace) in [("kustomize", "support"), ("helm", "research")] {
        place.copy(&format!("testdata/pipelines/argocd-sidecar/output-{application}.yaml"), "rendered.yaml");
        assert!(place.read("rendered.yaml").contains("openlit.io/injection"), "{application}");
        for (way, suffix) in [("--server-side=false", ""), ("--server-side", "-server-side")] {
            ControlPlane::shared().welcome(place, &format!("{namespace}{suffix}"));
            let without_namespace = documents(place.read("rendered.yaml").as_bytes()).into_iter().map(|mut object| {
                object["metadata"].as_object_mut().unwrap().remove("namespace");
                format!("{object}\n")
            });
            place.write("applied.json", without_namespace.collect::<String>());
            place.out(&format!("kubectl apply {way} -f applied.json"));
            assert_eq!(place.out(&format!("kubectl diff {way} -f applied.json")), "", "{application}");
        }
    }
}

/// The difference that Argo CD shows before the sync is the injection: lines that are added, and values that are merged.
fn show_what_is_still_to_come(place: &Place) {
    ControlPlane::shared().welcome(place, "before");
    place.copy("testdata/pipelines/argocd-sidecar/output-kustomize.yaml", "rendered.yaml");
    place.out("prelit remove rendered.yaml > plain.yaml");
    for file in ["plain", "rendered"] {
        let text = place.read(format!("{file}.yaml"));
        let namespace = text.lines().filter(|line| !line.starts_with("  namespace: "));
        place.write(format!("{file}.yaml"), namespace.map(|line| format!("{line}\n")).collect::<String>());
    }
    place.out("kubectl apply -f plain.yaml");
    let difference = place.line("kubectl diff -f rendered.yaml").exited(1).stdout;
    assert!(
        difference.lines().any(|line| line.starts_with('+') && line.contains("name: openlit-init")),
        "{difference}"
    );
    let taken_away = difference.lines().filter(|line| line.starts_with('-') && !line.starts_with("---"));
    let taken_away: Vec<&str> = taken_away.map(|line| line[1..].trim()).collect();
    // A generation of the object, and the PYTHONPATH before ours was put before it.
    assert_eq!(taken_away, ["generation: 1", "value: /srv/support", "generation: 1"], "{difference}");
}
