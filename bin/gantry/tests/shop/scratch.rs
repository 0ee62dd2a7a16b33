//! The shop `FROM scratch`, as its README says: built by the real docker, applied by the real kubectl, and brought up by
//! Debian's docker-compose 1.29.2. All on one node, so that a build is there for each of them at once.

use std::fs;
use std::path::Path;

use testkit::daemon::{Daemon, Kind};

use crate::cases::path;
use crate::docker::transcript::{Case, case, check};

const SERVICES: [&str; 6] = ["web", "catalogue", "cart", "order", "payment", "log"];

/// `$dir/../shop` is the example with its program built; `ask PATH` is a visitor of the page at `$port`.
const CASES: &[Case] = &[
    case(
        "the page is served, the cart knows its siblings by name, an order is paid",
        r#"
        $ cd $dir/../shop; ask() { path=$1; shift; $ns timeout 20 curl --silent --noproxy '*' --cookie cart=me "$@" http://127.0.0.1:$port$path; }
        $ k apply -f kubernetes | wc -l
        16
        $ k wait --for=condition=complete job/seed
        job.batch/seed condition met
        $ k logs job/seed
        the catalogue has 3 articles
        $ for each in web cart order; do k rollout status deployment/$each | tail -1; done
        deployment "web" successfully rolled out
        deployment "cart" successfully rolled out
        deployment "order" successfully rolled out
        $ port=$(k get service web -o jsonpath='{.spec.ports[0].nodePort}'); until ask / --fail -o page; do :; done
        $ grep -o '<h1>.*</h1>\|Mug[^<]*EUR\|web [0-9]*' page
        <h1>The shop at the port</h1>
        Mug with a crane 7.50 EUR
        web 1
        $ for each in mug rope mug anchor; do ask /cart -d article=$each -o /dev/null -w '%{http_code}\n'; done
        303
        303
        303
        404
        $ ask / | sed '1,/Your cart/d' | grep EUR
        <li>2 Mug with a crane 15.00 EUR</li>
        <li>1 Rope, ten metres 12.90 EUR</li>
        <p>Together: 27.90 EUR</p>
        $ until ask /order -X POST | grep -o 'Thank.*paid'; do :; done
        Thank you: order 1, 27.90 EUR, is paid
        $ until k logs deployment/log | grep -o 'order: POST /orders 201'; do :; done
        order: POST /orders 201
        $ pod=$(k get pods -l app=catalogue -o jsonpath='{.items[0].metadata.name}')
        $ docker kill $(docker ps -q --filter label=io.kubernetes.pod.name=$pod) | wc -l
        1
        $ k wait --for=jsonpath='{.status.containerStatuses[0].restartCount}'=1 pod/$pod | wc -l
        1
        $ until ask / --fail -o page; do :; done; grep -c '<li>' page
        3
        "#,
    )
    .within(240),
    case(
        "to ten and back, rolled over under load without a failed request, and back",
        r#"
        $ cd $dir/../shop; ask() { $ns timeout 20 curl --silent --noproxy '*' http://127.0.0.1:$port/ "$@"; }
        $ k apply -f kubernetes | wc -l
        16
        $ k scale deployment/web --replicas=10
        deployment.apps/web scaled
        $ k rollout status deployment/web | tail -1
        deployment "web" successfully rolled out
        $ k get deployment/web -o jsonpath='{.status.readyReplicas}'
        10
        $ k scale deployment/web --replicas=3
        deployment.apps/web scaled
        $ k wait --for=jsonpath='{.status.replicas}'=3 deployment/web
        deployment.apps/web condition met
        $ port=$(k get service web -o jsonpath='{.spec.ports[0].nodePort}'); until ask --fail -o page; do :; done
        $ load() { i=0; while [ $i -lt 4 ] || [ ! -e $dir/rolled ]; do $ns curl --silent --noproxy '*' --max-time 20 -w '%{http_code}\n' "http://127.0.0.1:$port/?[1-500]"; i=$((i+1)); done; }
        $ load > $dir/answers & loading=$!
        $ k set image deployment/web web=shop/web:2
        deployment.apps/web image updated
        $ k rollout status deployment/web | tail -1
        deployment "web" successfully rolled out
        $ : > $dir/rolled; wait $loading; grep -o '^[0-9]*$\|web [0-9]*' $dir/answers | sort | uniq -c | sed 's/^ *[0-9]\{2,\} /N /'
        N 200
        N web 1
        N web 2
        $ test $(grep -c '^200$' $dir/answers) -ge 2000
        $ k rollout undo deployment/web
        deployment.apps/web rolled back
        $ k rollout status deployment/web | tail -1
        deployment "web" successfully rolled out
        $ until ask | grep -o 'web 1'; do :; done
        web 1
        "#,
    )
    .within(240),
    case(
        "docker-compose 1.29.2: up, ps, logs, down",
        r#"
        $ cd $dir/../shop; export COMPOSE_PROJECT_NAME=$n; compose() { $ns timeout 100 docker-compose "$@" 2>&1; }
        $ docker-compose --version
        docker-compose version 1.29.2, [..]
        $ compose build > $dir/said || cat $dir/said
        $ compose up -d > $dir/said || cat $dir/said
        $ docker wait ${n}_seed_1
        0
        $ compose ps | sed "s/$n/P/; s/  */ /g; s/^ //; s/ $//" | grep -v health
        Name Command State Ports
        [..]----
        P_seed_1 /shop seed /seed/articles.json Exit 0
        $ compose ps | grep -c ' Up (health'
        6
        $ compose ps web | grep -o '127.0.0.1:.*/tcp'
        127.0.0.1:8080->8080/tcp
        $ compose logs --no-color seed
        Attaching to [..]_seed_1
        seed_1       | the catalogue has 3 articles
        $ page() { $ns timeout 60 curl --silent --noproxy '*' --fail --retry 30 --retry-delay 1 --retry-connrefused http://127.0.0.1:$1/; }
        $ page 8080 | grep -o 'Mug[^<]*EUR'
        Mug with a crane 7.50 EUR
        $ compose exec -T web /shop check
        $ compose up -d | grep -c 'is up-to-date'
        6
        $ COMPOSE_API_VERSION=1.41 SHOP_PORT=8081 compose up -d | grep -o 'Recreating.*done'
        Recreating [..]_web_1 ... done
        $ page 8081 | grep -o 'Mug[^<]*EUR'
        Mug with a crane 7.50 EUR
        $ compose down --volumes > $dir/said || cat $dir/said
        $ for each in "ps -a" "network ls" "volume ls"; do docker $each -q --filter label=com.docker.compose.project=$n; done
        "#,
    )
    .within(240),
];

#[test]
fn is_built_served_rolled_over_and_composed() {
    let daemon = Daemon::start(Kind::Gantry);
    let context = daemon.directory.join("shop");
    copy(
        &Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/shop"),
        &context,
    );
    fs::create_dir_all(context.join("bin")).unwrap();
    fs::copy(testkit::beside_tests("shop"), context.join("bin/shop")).unwrap();
    for service in SERVICES {
        build(&daemon, &context, service, "1");
    }
    build(&daemon, &context, "web", "2");
    check(&daemon, CASES);
}

fn build(daemon: &Daemon, context: &Path, service: &str, version: &str) {
    let dockerfile = context.join(service).join("Dockerfile");
    let (image, argument) = (format!("shop/{service}:{version}"), format!("VERSION={version}"));
    let files = ["--file", path(&dockerfile), path(context)];
    let words = ["build", "--quiet", "--tag", &image, "--build-arg", &argument];
    let id = daemon.ok(&[&words[..], &files].concat());
    assert!(id.starts_with("sha256:"), "{image}: {id}");
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}
