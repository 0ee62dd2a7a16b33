//! Services: addresses, ports, names.

use crate::docker::transcript::{Case, case};

pub(super) const CASES: &[Case] = &[
    case(
        "names and addresses",
        r#"
        $ k create deployment web --image=busybox --replicas=2 --port=8080 -- sh -c 'mkdir /w; hostname > /w/index.html; httpd -f -p 8080 -h /w'
        deployment.apps/web created
        $ k expose deployment web --port=80 --target-port=8080
        service/web exposed
        $ k expose deployment web --name=bare --cluster-ip=None --port=8080
        service/bare exposed
        $ k rollout status deployment/web | tail -1
        deployment "web" successfully rolled out
        $ k run asks --image=busybox -- sleep 1d
        pod/asks created
        $ k wait --for=condition=Ready pod/asks
        pod/asks condition met
        $ k exec asks -- wget -qO- http://web | cut -c1-3
        web
        $ k exec asks -- wget -qO- http://web.$n.svc.cluster.local | cut -c1-3
        web
        $ k exec asks -- nslookup -type=a bare.$n.svc.cluster.local | grep -c "^Address: 10"
        2
        $ k exec asks -- nslookup -type=a kubernetes.default.svc.cluster.local | tail -2
        Address: 10.[..].0.1

        $ docker network create $n >/dev/null; docker run --rm --network $n busybox wget -qO- http://web.$n.svc.cluster.local | cut -c1-3
        web
        "#,
    ),
    case(
        "without endpoints nobody answers, and at once",
        r#"
        $ k create service clusterip none --tcp=80
        service/none created
        $ ip=$(k get service none -o jsonpath='{.spec.clusterIP}')
        $ $ns timeout 5 busybox wget -qO- http://$ip/
        wget: can't connect to remote host ([..]): Connection refused
        ? 1
        "#,
    ),
    case(
        "a pod reaches itself through its service",
        r#"
        $ k run self --image=busybox --port=80 --expose -- sh -c 'mkdir /w; echo self > /w/index.html; httpd -f -p 80 -h /w'
        service/self created
        pod/self created
        $ k wait --for=condition=Ready pod/self
        pod/self condition met
        $ k wait --for=jsonpath='{.endpoints[0].conditions.ready}'=true endpointslice -l kubernetes.io/service-name=self | wc -l
        1
        $ k exec self -- wget -qO- http://self/
        self
        "#,
    ),
];
