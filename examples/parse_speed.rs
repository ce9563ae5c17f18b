//! throwaway
fn main() {
    let one = "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: chat-1\n  labels:\n    app: chat\nspec:\n  replicas: 2\n  selector:\n    matchLabels:\n      app: chat\n  template:\n    metadata:\n      labels:\n        app: chat\n        openlit.io/instrument: \"true\"\n    spec:\n      containers:\n        - name: app\n          image: python:3.11-slim\n          command: [\"python\", \"main.py\"]\n          env:\n            - name: MODEL\n              value: gpt-4o\n          resources:\n            limits:\n              memory: 512Mi\n";
    let n = 20000;
    let t = std::time::Instant::now();
    let mut k = 0;
    for _ in 0..n { let tree = prelit::yaml::Tree::parse(one).unwrap(); k += tree.len(); }
    let d = t.elapsed(); println!("parse {} MB/s {k}", (one.len() * n) as f64 / 1e6 / d.as_secs_f64());
    let tree = prelit::yaml::Tree::parse(one).unwrap();
    let t = std::time::Instant::now();
    for _ in 0..n { std::hint::black_box(tree.value().unwrap()); }
    let d = t.elapsed(); println!("value {} MB/s", (one.len() * n) as f64 / 1e6 / d.as_secs_f64());
}
