use super::*;
use crate::api::settings::{self, Settings};

/// The newest server.
const SERVER: Version = Version { major: 1, minor: 36 };

/// What an API server of 1.36 gave back when [`wanted`] was applied, but for the field sets of its manager.
fn found() -> Json {
    serde_json::from_str(include_str!("found.json")).unwrap()
}

fn owner() -> Owner {
    Owner { name: "openlit-operator".to_owned(), uid: "75f7916c-3742-4468-bffa-3b4b20eb0eae".to_owned() }
}

fn wanted() -> Json {
    wanted_by(&[])
}

fn wanted_by(pairs: &[(&str, &str)]) -> Json {
    desired(&settings(pairs), SERVER, b"CA", &owner())
}

fn settings(pairs: &[(&str, &str)]) -> WebhookSettings {
    settings::read(pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))).unwrap().webhook
}

/// What was found, with a change.
fn changed(change: impl FnOnce(&mut Json)) -> Json {
    let mut found = found();
    change(&mut found);
    found
}

fn expressions(configuration: &Json) -> &Json {
    &configuration["webhooks"][0]["namespaceSelector"]["matchExpressions"]
}

fn control_plane() -> Json {
    json!({ "key": "control-plane", "operator": "DoesNotExist" })
}

#[test]
fn what_was_applied_is_not_applied_again() {
    assert_eq!(needed(Some(&found()), &wanted()), None);
}

#[test]
fn what_is_gone_is_made_anew() {
    assert_eq!(needed(None, &wanted()), Some(wanted()));
}

#[test]
fn defaults_of_the_api_server_are_no_difference() {
    // As an older version wrote it that left these open.
    let mut less = wanted();
    let webhook = less["webhooks"][0].as_object_mut().unwrap();
    for field in ["matchPolicy", "objectSelector", "reinvocationPolicy"] {
        webhook.remove(field);
    }
    webhook["rules"][0].as_object_mut().unwrap().remove("scope");
    assert_eq!(needed(Some(&found()), &less), None);
}

#[test]
fn every_field_of_ours_is_repaired() {
    let entry = "/webhooks/0";
    for (pointer, edited) in [
        ("/clientConfig/caBundle", json!("b3RoZXI=")),
        ("/clientConfig/service/name", json!("other")),
        ("/clientConfig/service/namespace", json!("other")),
        ("/clientConfig/service/path", json!("/other")),
        ("/clientConfig/service/port", json!(8443)),
        ("/failurePolicy", json!("Fail")),
        ("/matchConditions", json!([])),
        ("/matchConditions/0/expression", json!("false")),
        ("/matchPolicy", json!("Exact")),
        ("/namespaceSelector", json!({})),
        ("/namespaceSelector/matchExpressions/0/values", json!(["kube-system", "kube-public", "kube-node-lease"])),
        ("/objectSelector", json!({ "matchLabels": { "openlit.io/instrument": "true" } })),
        ("/reinvocationPolicy", json!("IfNeeded")),
        ("/rules", json!([])),
        ("/rules/0/operations", json!(["CREATE", "UPDATE"])),
        ("/sideEffects", json!("None")),
        ("/timeoutSeconds", json!(30)),
        ("/name", json!("renamed.example.com")),
    ] {
        let found = changed(|found| *found.pointer_mut(&format!("{entry}{pointer}")).unwrap() = edited);
        let patch = needed(Some(&found), &wanted()).unwrap_or_else(|| panic!("{pointer} stays"));
        assert_eq!(patch["metadata"]["resourceVersion"], found["metadata"]["resourceVersion"], "{pointer}");
        assert_eq!(patch["webhooks"], wanted()["webhooks"], "{pointer}");
    }
    let orphan = changed(|found| found["metadata"]["ownerReferences"][0]["uid"] = json!("of a role that is gone"));
    assert!(needed(Some(&orphan), &wanted()).is_some());
}

#[test]
fn a_url_in_place_of_our_service_goes_before_anything_is_applied() {
    assert_eq!(without_url(&found(), &wanted()), None);
    let found = changed(|found| {
        let client = found["webhooks"][0]["clientConfig"].as_object_mut().unwrap();
        client.remove("service");
        client.insert("url".to_owned(), json!("https://example.com/mutate"));
    });
    let patch = without_url(&found, &wanted()).unwrap();
    assert_eq!(patch["metadata"]["resourceVersion"], found["metadata"]["resourceVersion"]);
    assert_eq!(patch["webhooks"][0]["name"], WEBHOOK);
    let client = &patch["webhooks"][0]["clientConfig"];
    assert_eq!(
        (&client["url"], &client["service"]),
        (&json!(null), &wanted()["webhooks"][0]["clientConfig"]["service"])
    );
}

#[test]
fn what_others_write_beside_it_stays() {
    let found = changed(|found| {
        found["metadata"]["labels"]["team"] = json!("platform");
        found["metadata"]["annotations"]["cert-manager.io/inject-ca-from"] = json!("openlit/certs");
        let webhook = &mut found["webhooks"][0];
        webhook["matchConditions"].as_array_mut().unwrap().push(json!({ "name": "theirs", "expression": "true" }));
        let mut other = webhook.clone();
        other["name"] = json!("other.example.com");
        found["webhooks"].as_array_mut().unwrap().insert(0, other);
    });
    assert_eq!(needed(Some(&found), &wanted()), None);
}

#[test]
fn expressions_of_others_are_kept_wherever_they_stand() {
    let ours = expressions(&wanted())[0].clone();
    let gatekeeper = json!({ "key": NAMESPACE_NAME, "operator": "NotIn", "values": ["gatekeeper-system"] });
    let only = json!({ "key": NAMESPACE_NAME, "operator": "In", "values": ["shop", "chat"] });
    for theirs in [vec![control_plane(), ours.clone()], vec![ours.clone(), control_plane(), gatekeeper, only]] {
        let found = changed(|found| {
            found["webhooks"][0]["namespaceSelector"] =
                json!({ "matchExpressions": theirs, "matchLabels": { "tier": "apps" } });
        });
        assert_eq!(needed(Some(&found), &wanted()), None, "{theirs:?}");
        // They stay, too, when something else is written.
        let patch = needed(Some(&found), &wanted_by(&[("WEBHOOK_TIMEOUT_SECONDS", "5")])).unwrap();
        assert_eq!(expressions(&patch), &json!(theirs));
        assert_eq!(patch["webhooks"][0]["namespaceSelector"]["matchLabels"], json!({ "tier": "apps" }));
    }
}

#[test]
fn expressions_of_ours_that_are_not_wanted_any_more_go() {
    let narrowed = wanted_by(&[("WATCH_NAMESPACE", "shop,chat")]);
    let watched = json!({ "key": NAMESPACE_NAME, "operator": "In", "values": ["shop", "chat"] });
    assert_eq!(expressions(&narrowed)[1], watched);
    let found = changed(|found| {
        let list = found["webhooks"][0]["namespaceSelector"]["matchExpressions"].as_array_mut().unwrap();
        list[0]["values"][3] = json!("where-we-were");
        list.push(watched);
        found["metadata"]["annotations"][NAMESPACES] = json!(Json::from(list.clone()).to_string());
        let list = found["webhooks"][0]["namespaceSelector"]["matchExpressions"].as_array_mut().unwrap();
        list.push(control_plane());
    });
    let patch = needed(Some(&found), &wanted()).unwrap();
    assert_eq!(expressions(&patch), &json!([control_plane(), expressions(&wanted())[0]]));
    // Not so what somebody else says of the same: it is ours only where ours has become it.
    let (ours, theirs) = (expressions(&narrowed)[0].clone(), json!(["shop"]));
    let theirs = json!({ "key": NAMESPACE_NAME, "operator": "In", "values": theirs });
    let with = |expressions: Json| {
        changed(|found| {
            found["metadata"]["annotations"] = narrowed["metadata"]["annotations"].clone();
            found["webhooks"][0]["namespaceSelector"]["matchExpressions"] = expressions;
        })
    };
    let added = with(json!([ours, expressions(&narrowed)[1], theirs]));
    assert_eq!(needed(Some(&added), &narrowed), None);
    let edited = needed(Some(&with(json!([ours, theirs]))), &narrowed).unwrap();
    assert_eq!(expressions(&edited), expressions(&narrowed));
    // And what is written then is enough.
    let after =
        changed(|found| found["webhooks"][0]["namespaceSelector"] = patch["webhooks"][0]["namespaceSelector"].clone());
    assert_eq!(needed(Some(&after), &wanted()), None);
}

#[test]
fn an_api_server_without_match_conditions_gets_none() {
    for (minor, expected) in [(27, false), (28, true)] {
        let server = Version { major: 1, minor };
        let wanted = desired(&Settings::default().webhook, server, b"CA", &owner());
        assert_eq!(wanted["webhooks"][0].get("matchConditions").is_some(), expected, "{server}");
    }
}

#[test]
fn versions_are_read_as_providers_write_them() {
    let version = |major: &str, minor: &str| {
        Version::of(&Info { major: major.to_owned(), minor: minor.to_owned(), ..Info::default() })
    };
    assert_eq!(version("1", "27+"), Version { major: 1, minor: 27 });
    assert_eq!(version("1", "36"), SERVER);
    assert_eq!(version("", ""), Version::OLDEST);
}

#[test]
fn the_conditions_are_the_rules_of_the_engine() {
    let conditions = conditions();
    let all: Vec<&str> =
        conditions.as_array().unwrap().iter().filter_map(|condition| condition["expression"].as_str()).collect();
    let label = |key: &str, value: &str| {
        format!(
            "!has(object.metadata.labels) || !('{key}' in object.metadata.labels) || object.metadata.labels['{key}'] != '{value}'"
        )
    };
    assert_eq!(
        all,
        [
            "!has(object.metadata.annotations) || !('openlit.io/injection' in object.metadata.annotations)",
            "!has(object.metadata.annotations) || !('kubernetes.io/config.mirror' in object.metadata.annotations)",
            &label("openlit.io/instrument", "false"),
            &label("openlit.io/skip", "true"),
            &label("openlit.io/skip", "true").replace("labels", "annotations"),
        ]
    );
}

#[test]
fn another_installation_keeps_what_is_its_own() {
    let own = Settings::default().webhook;
    assert_eq!(manager(&own), "prelit-webhook.openlit");
    assert_eq!(held_by_another(&found(), &own), None);
    let other = settings(&[("POD_NAMESPACE", "second")]);
    assert_eq!(held_by_another(&found(), &other), Some("openlit"));
}

#[test]
fn pods_are_refused_already_by_our_own_word_alone() {
    let own = Settings::default().webhook;
    assert!(!refuses(&found(), &own));
    let fail = changed(|found| found["webhooks"][0]["failurePolicy"] = json!("Fail"));
    assert!(refuses(&fail, &own));
    assert!(!refuses(&fail, &settings(&[("POD_NAMESPACE", "second")])));
    let mut wanted = wanted_by(&[("WEBHOOK_FAILURE_POLICY", "Fail")]);
    assert_eq!(wanted["webhooks"][0]["failurePolicy"], "Fail");
    spare(&mut wanted);
    assert_eq!(needed(Some(&found()), &wanted), None);
}

#[test]
fn the_bundle_that_is_registered_is_read() {
    assert_eq!(bundle(&found()), b"CA");
    assert_eq!(bundle(&json!({})), b"");
}
