use super::*;
use serde_json::{Value as Json, json};

fn deployment(name: &str) -> Json {
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name, "namespace": "prod"},
        "spec": {"template": {
            "metadata": {"labels": {"app": name}},
            "spec": {
                "containers": [{"name": "app", "image": "python:3.11"}, {"name": "proxy", "image": "envoy"}],
                "initContainers": [{"name": "migrate", "image": "python:3.11"}, {"name": "mesh", "restartPolicy": "Always"}],
            }}},
    })
}

/// What was found, as text: `kind name at template [containers] lead`.
fn seen(document: &Json, extra: &[Row]) -> Vec<String> {
    let value = Value::from(document);
    let found = workloads(&value, extra);
    let mut lines = Vec::new();
    for workload in &found.workloads {
        let object = &workload.object;
        for template in &workload.templates {
            let containers: Vec<_> = template.containers.iter().map(|container| container.name.to_string()).collect();
            lines.push(format!(
                "{} {} {} {} {}",
                object.kind,
                object.name().unwrap_or("-"),
                template.at,
                containers.join(","),
                template.lead.name.as_deref().unwrap_or("-")
            ));
            for container in &template.containers {
                assert_eq!(object.value.at(&container.at), Some(container.value), "{}", container.at);
            }
            assert_eq!(value.at(&object.at), Some(object.value));
        }
        if workload.templates.is_empty() {
            lines.push(format!("{} {} without template", object.kind, object.name().unwrap_or("-")));
        }
    }
    lines.extend(found.references.iter().map(|object| format!("{} refers", object.kind)));
    lines.extend(found.configurations.iter().map(|object| format!("{} at {}", object.kind, object.at)));
    lines
}

#[test]
fn every_kind_of_the_table_shows_its_templates() {
    let template = json!({"spec": {"containers": [{"name": "app", "image": "a"}]}});
    let object = |api_version: &str, kind: &str, spec: Json| json!({"apiVersion": api_version, "kind": kind, "metadata": {"name": "chat"}, "spec": spec});
    let spec_template = json!({"template": template});
    let ray = json!({"headGroupSpec": {"template": template}, "workerGroupSpecs": [{"template": template}, {"template": template}]});
    let replicas = |word: &str| json!({format!("{word}ReplicaSpecs"): {"Master": {"template": template}, "Worker": {"template": template}}});
    for (document, expected) in [
        (object("v1", "Pod", template["spec"].clone()), vec!["Pod chat  app chat"]),
        (
            json!({"apiVersion": "v1", "kind": "PodTemplate", "metadata": {"name": "chat"}, "template": template}),
            vec!["PodTemplate chat template app -"],
        ),
        (
            object("v1", "ReplicationController", spec_template.clone()),
            vec!["ReplicationController chat spec.template app chat"],
        ),
        (object("apps/v1beta2", "Deployment", spec_template.clone()), vec!["Deployment chat spec.template app chat"]),
        (object("apps/v1", "ReplicaSet", spec_template.clone()), vec!["ReplicaSet chat spec.template app chat"]),
        (object("apps/v1", "StatefulSet", spec_template.clone()), vec!["StatefulSet chat spec.template app chat"]),
        (object("apps/v1", "DaemonSet", spec_template.clone()), vec!["DaemonSet chat spec.template app chat"]),
        (object("batch/v1", "Job", spec_template.clone()), vec!["Job chat spec.template app chat"]),
        (
            object("batch/v1", "CronJob", json!({"jobTemplate": {"spec": spec_template}})),
            vec!["CronJob chat spec.jobTemplate.spec.template app chat"],
        ),
        (object("argoproj.io/v1alpha1", "Rollout", spec_template.clone()), vec!["Rollout chat spec.template app chat"]),
        (
            object(
                "argoproj.io/v1alpha1",
                "Rollout",
                json!({"template": template, "workloadRef": {"kind": "Deployment"}}),
            ),
            vec!["Rollout refers"],
        ),
        (
            object("ray.io/v1", "RayCluster", ray.clone()),
            vec![
                "RayCluster chat spec.headGroupSpec.template app -",
                "RayCluster chat spec.workerGroupSpecs[0].template app -",
                "RayCluster chat spec.workerGroupSpecs[1].template app -",
            ],
        ),
        (
            object("ray.io/v1", "RayJob", json!({"rayClusterSpec": {"headGroupSpec": {"template": template}}})),
            vec!["RayJob chat spec.rayClusterSpec.headGroupSpec.template app -"],
        ),
        (object("ray.io/v1", "RayJob", json!({"clusterSelector": {"ray.io/cluster": "x"}})), vec!["RayJob refers"]),
        (
            object("ray.io/v1", "RayService", json!({"rayClusterConfig": {"headGroupSpec": {"template": template}}})),
            vec!["RayService chat spec.rayClusterConfig.headGroupSpec.template app -"],
        ),
        (
            object("kubeflow.org/v1", "PyTorchJob", replicas("pytorch")),
            vec![
                "PyTorchJob chat spec.pytorchReplicaSpecs.Master.template app chat",
                "PyTorchJob chat spec.pytorchReplicaSpecs.Worker.template app chat",
            ],
        ),
        (
            object("kubeflow.org/v2beta1", "MPIJob", replicas("mpi")),
            vec![
                "MPIJob chat spec.mpiReplicaSpecs.Master.template app chat",
                "MPIJob chat spec.mpiReplicaSpecs.Worker.template app chat",
            ],
        ),
        (
            object("trainer.kubeflow.org/v1alpha1", "TrainJob", json!({"runtimeRef": {"name": "torch"}})),
            vec!["TrainJob refers"],
        ),
        (
            object("serving.knative.dev/v1", "Service", spec_template.clone()),
            vec!["Service chat spec.template app chat"],
        ),
        (
            object("serving.knative.dev/v1", "Configuration", spec_template.clone()),
            vec!["Configuration chat spec.template app chat"],
        ),
        (
            object("serving.kserve.io/v1beta1", "InferenceService", json!({"predictor": {"model": {}}})),
            vec!["InferenceService refers"],
        ),
        (
            object(
                "serving.kserve.io/v1beta1",
                "InferenceService",
                json!({"predictor": {"model": {}}, "transformer": template["spec"]}),
            ),
            vec!["InferenceService chat spec.transformer app chat"],
        ),
        // Kinds of the same name from elsewhere, and other things
        (object("batch.volcano.sh/v1alpha1", "Job", spec_template.clone()), vec![]),
        (object("v1", "Service", spec_template.clone()), vec![]),
        (object("v1", "Deployment", spec_template.clone()), vec![]),
        (object("apps/v1", "Deployment", json!({})), vec!["Deployment chat without template"]),
        (object("apps/v1", "Deployment", json!({"template": null})), vec!["Deployment chat without template"]),
        (object("openlit.io/v1alpha1", "AutoInstrumentation", json!({})), vec!["AutoInstrumentation at "]),
        (object("other.io/v1alpha1", "AutoInstrumentation", json!({})), vec![]),
        (json!({"kind": 3}), vec![]),
        (json!(["Deployment"]), vec![]),
        (json!(null), vec![]),
    ] {
        assert_eq!(seen(&document, &[]), expected, "{document}");
    }
}

#[test]
fn a_cron_jobs_own_job_reads_as_the_cron_job() {
    let job = json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "report-28374650"}, "spec": {"template": {"spec": {}}}});
    let value = Value::from(&job);
    let found = workloads(&value, &[]);
    let template = &found.workloads[0].templates[0];
    assert_eq!(template.lead, Lead { name: Some("report".into()), attribute: Some("k8s.cronjob.name") });
    assert!(template.immutable);
}

#[test]
fn containers_have_their_roles_and_places() {
    let document = deployment("chat");
    let value = Value::from(&document);
    let found = workloads(&value, &[]);
    let template = &found.workloads[0].templates[0];
    let rows: Vec<_> = template.containers.iter().map(|c| (c.name.as_ref(), c.role, c.at.to_string())).collect();
    let spec = "spec.template.spec";
    assert_eq!(
        rows,
        [
            ("app", Role::App, format!("{spec}.containers[0]")),
            ("proxy", Role::App, format!("{spec}.containers[1]")),
            ("migrate", Role::Init, format!("{spec}.initContainers[0]")),
            ("mesh", Role::NativeSidecar, format!("{spec}.initContainers[1]")),
        ]
    );
    assert_eq!(template.label("app").and_then(Value::as_text), Some("chat"));
    assert_eq!(found.workloads[0].object.namespace(), Some("prod"));
}

#[test]
fn items_of_lists_are_found_and_inherit_their_kind() {
    let mut bare = deployment("bare");
    bare.as_object_mut().unwrap().remove("kind");
    bare.as_object_mut().unwrap().remove("apiVersion");
    let list = json!({"apiVersion": "apps/v1", "kind": "DeploymentList", "items": [bare, deployment("own")]});
    assert_eq!(
        seen(&list, &[]),
        [
            "Deployment bare spec.template app,proxy,migrate,mesh bare",
            "Deployment own spec.template app,proxy,migrate,mesh own",
        ]
    );
    // A plain List gives its items no kind.
    let plain =
        json!({"apiVersion": "v1", "kind": "List", "items": [bare, deployment("own"), {"kind": "ConfigMap"}, 7, list]});
    assert_eq!(seen(&plain, &[]).len(), 3);
    let value = Value::from(&plain);
    let at: Vec<_> = workloads(&value, &[]).workloads.iter().map(|workload| workload.object.at.to_string()).collect();
    assert_eq!(at, ["items[1]", "items[4].items[0]", "items[4].items[1]"]);
    let configurations =
        json!({"apiVersion": "openlit.io/v1alpha1", "kind": "AutoInstrumentationList", "items": [{}, {}]});
    assert_eq!(seen(&configurations, &[]), ["AutoInstrumentation at items[0]", "AutoInstrumentation at items[1]"]);
}

#[test]
fn lists_in_lists_are_bounded() {
    let nest = |depth| (0..depth).fold(deployment("deep"), |inner, _| json!({"kind": "List", "items": [inner]}));
    let (fits, deep) = (nest(MAX_LIST_DEPTH), nest(MAX_LIST_DEPTH + 1));
    assert_eq!(seen(&fits, &[]).len(), 1);
    let value = Value::from(&deep);
    let found = workloads(&value, &[]);
    assert!(found.workloads.is_empty() && found.too_deep);
}

#[test]
fn a_kind_that_the_user_names_is_a_workload_without_a_lead() {
    let extra = [
        Row::parse("acme.io/Trainer=spec.pods[*].template").unwrap(),
        Row::parse("ray.io/RayJob=spec.submitterPodTemplate").unwrap(),
        Row::parse("apps/Deployment=spec.template").unwrap(),
    ];
    let template = json!({"spec": {"containers": [{"name": "app"}]}});
    let trainer = json!({"apiVersion": "acme.io/v7", "kind": "Trainer", "metadata": {"name": "t"}, "spec": {"pods": [{"template": template}]}});
    assert_eq!(seen(&trainer, &extra), ["Trainer t spec.pods[0].template app -"]);
    let job = json!({"apiVersion": "ray.io/v1", "kind": "RayJob", "metadata": {"name": "r"}, "spec": {"submitterPodTemplate": template, "rayClusterSpec": {"headGroupSpec": {"template": template}}}});
    assert_eq!(
        seen(&job, &extra),
        ["RayJob r spec.rayClusterSpec.headGroupSpec.template app -", "RayJob r spec.submitterPodTemplate app -",]
    );
    assert_eq!(seen(&deployment("once"), &extra).len(), 1);
}

#[test]
fn templates_of_workflows_have_their_own_shape() {
    let document = json!({
        "apiVersion": "argoproj.io/v1alpha1", "kind": "CronWorkflow", "metadata": {"name": "nightly"},
        "spec": {"workflowSpec": {
            "podMetadata": {"labels": {"team": "ai", "app": "default"}, "annotations": {"a": "1"}},
            "securityContext": {"runAsNonRoot": true},
            "volumes": [{"name": "shared"}],
            "volumeClaimTemplates": [{"metadata": {"name": "work"}}],
            "templateDefaults": {"metadata": {"labels": {"app": "more"}}, "volumes": [{"name": "cache"}]},
            "templates": [
                {"name": "flow", "steps": [[{"name": "s", "inline": {"container": {"image": "python:3.11"}}}]]},
                {"name": "one", "container": {"name": "renamed", "image": "a"}, "sidecars": [
                    {"name": "db", "image": "postgres"}, {"name": "dind", "image": "docker", "mirrorVolumeMounts": true}],
                    "initContainers": [{"name": "first", "image": "b"}], "volumes": [{"name": "own"}]},
                {"name": "two", "script": {"image": "python:3.11", "command": ["python"], "source": "print(1)"},
                    "metadata": {"labels": {"app": "two"}}, "securityContext": {}},
                {"name": "three", "containerSet": {"containers": [{"name": "a"}, {"name": "b"}]}},
                {"name": "four", "dag": {"tasks": [{"name": "t", "inline": {"script": {"image": "c"}}}]}},
                {"name": "none", "resource": {"action": "create"}},
            ]}},
    });
    let at = "CronWorkflow nightly spec.workflowSpec.templates";
    assert_eq!(
        seen(&document, &[]),
        [
            format!("{at}[1] main,db,first -"),
            format!("{at}[2] main -"),
            format!("{at}[3] a,b -"),
            format!("{at}[0].steps[0][0].inline main -"),
            format!("{at}[4].dag.tasks[0].inline main -"),
        ]
    );
    let value = Value::from(&document);
    let found = workloads(&value, &[]);
    let [one, two, ..] = &found.workloads[0].templates[..] else { panic!() };
    let label = |template: &PodTemplate<'_>, key: &str| template.label(key).and_then(Value::as_text).map(str::to_owned);
    assert_eq!((label(one, "app"), label(one, "team")), (Some("more".into()), Some("ai".into())));
    assert_eq!((label(two, "app"), label(two, "team")), (Some("two".into()), Some("ai".into())));
    assert_eq!(one.annotation("a").and_then(Value::as_text), Some("1"));
    assert_eq!(one.annotations.to_string(), "spec.workflowSpec.templates[1].metadata.annotations");
    assert_eq!(one.spec.to_string(), "spec.workflowSpec.templates[1]");
    assert_eq!(one.other_volumes, ["work", "shared", "cache"]);
    assert!(one.field("securityContext").unwrap().get("runAsNonRoot").is_some());
    assert!(two.field("securityContext").unwrap().get("runAsNonRoot").is_none());
    assert_eq!(one.field("volumes").unwrap().as_list().unwrap().len(), 1);
    assert!(two.field("volumes").is_none(), "volumes of the workflow are other volumes");
    let reference = json!({"apiVersion": "argoproj.io/v1alpha1", "kind": "Workflow", "spec": {"workflowTemplateRef": {"name": "x"}}});
    assert_eq!(seen(&reference, &[]), ["Workflow refers"]);
}

#[test]
fn what_kserve_and_ray_copy_down_counts() {
    let service = json!({
        "apiVersion": "serving.kserve.io/v1beta1", "kind": "InferenceService",
        "metadata": {"name": "bert", "labels": {"a": "1", "b": "1"}, "annotations": {"x": "1"}},
        "spec": {"predictor": {"labels": {"b": "2"}, "containers": [{"name": "kserve-container"}], "os": {"name": "windows"}}},
    });
    let value = Value::from(&service);
    let found = workloads(&value, &[]);
    let template = &found.workloads[0].templates[0];
    let label = |key: &str| template.label(key).and_then(Value::as_text);
    assert_eq!((label("a"), label("b")), (Some("1"), Some("2")));
    assert_eq!(template.annotation("x").and_then(Value::as_text), Some("1"));
    assert_eq!(template.annotations.to_string(), "spec.predictor.annotations");
    assert!(template.is_windows());

    let ray = json!({"apiVersion": "ray.io/v1", "kind": "RayCluster", "spec": {"headGroupSpec": {
        "labels": {"group": "yes"}, "template": {"metadata": {"labels": {"app.kubernetes.io/name": "kuberay"}}, "spec": {}}}}});
    let value = Value::from(&ray);
    let found = workloads(&value, &[]);
    let template = &found.workloads[0].templates[0];
    assert!(template.label("group").is_some());
    assert!(template.label("app.kubernetes.io/name").is_none(), "KubeRay says it of every pod");
}

#[test]
fn kserve_is_serverless_unless_it_says_otherwise() {
    for (annotations, knative) in [
        (json!({}), true),
        (json!({"serving.kserve.io/deploymentMode": "Serverless"}), true),
        (json!({"serving.kserve.io/deploymentMode": "RawDeployment"}), false),
        (json!({"serving.kserve.io/deploymentMode": "Standard"}), false),
    ] {
        let service = json!({"apiVersion": "serving.kserve.io/v1beta1", "kind": "InferenceService",
            "metadata": {"annotations": annotations}, "spec": {"predictor": {"containers": [{"name": "c"}]}}});
        let value = Value::from(&service);
        assert_eq!(workloads(&value, &[]).workloads[0].knative, knative, "{annotations}");
    }
    let value = deployment("x");
    assert!(!workloads(&Value::from(&value), &[]).workloads[0].knative);
}

#[test]
fn a_pod_is_seen_as_its_template_was() {
    let pod = json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"generateName": "x-", "labels": {"app.kubernetes.io/name": "kuberay", "ray.io/cluster": "x"},
            "ownerReferences": [{"apiVersion": "ray.io/v1", "kind": "RayCluster", "name": "x", "controller": true}]},
        "spec": {"containers": [{"name": "ray-head"}, {"name": "autoscaler"}, {"name": "mine"}],
            "initContainers": [{"name": "wait-gcs-ready"}, {"name": "migrate"}]},
    });
    assert_eq!(seen(&pod, &[]), ["Pod -  ray-head,mine,migrate -"]);
    let value = Value::from(&pod);
    let found = workloads(&value, &[]);
    let template = &found.workloads[0].templates[0];
    assert_eq!(template.added.runs, Some("ray start"));
    assert!(template.label("app.kubernetes.io/name").is_none() && template.label("ray.io/cluster").is_none());

    let argo = json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": "wf-1", "labels": {"workflows.argoproj.io/workflow": "wf"},
            "ownerReferences": [{"apiVersion": "argoproj.io/v1alpha1", "kind": "Workflow", "name": "wf", "controller": true}]},
        "spec": {"containers": [{"name": "wait"}, {"name": "main"}], "initContainers": [{"name": "init"}]},
    });
    assert_eq!(seen(&argo, &[]), ["Pod wf-1  main -"]);
}

#[test]
fn names_of_claims_are_other_volumes() {
    let mut set = deployment("db");
    set["kind"] = "StatefulSet".into();
    set["spec"]["volumeClaimTemplates"] = json!([{"metadata": {"name": "data"}}]);
    let value = Value::from(&set);
    assert_eq!(workloads(&value, &[]).workloads[0].templates[0].other_volumes, ["data"]);
}

#[test]
fn sops_documents_are_known() {
    assert!(is_sops(&Value::from(&json!({"sops": {"mac": "x"}}))));
    assert!(!is_sops(&Value::from(&json!({"sops": null}))));
    assert!(!is_sops(&Value::from(&json!({"metadata": {"sops": {}}}))));
}
