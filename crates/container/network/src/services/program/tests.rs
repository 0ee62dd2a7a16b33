use proptest::prelude::*;

use super::*;

const DNS: Ipv4Addr = Ipv4Addr::new(10, 43, 0, 10);

fn address(last: u8, protocol: Protocol) -> Frontend {
    Frontend::Address {
        ip: Ipv4Addr::new(10, 43, 0, last),
        protocol,
        port: 80,
    }
}

fn balanced(backends: &[u8]) -> Balanced {
    let place = |last: &u8| SocketAddrV4::new(Ipv4Addr::new(10, 42, 0, *last), 8080);
    Balanced {
        backends: backends.iter().map(place).collect::<Vec<_>>().into(),
        affinity: None,
        elsewhere: false,
        none: Unanswered::Reject,
    }
}

/// The table, as far as steps change it.
#[derive(Default)]
struct Kernel {
    known: Known,
    elements: BTreeSet<(&'static str, Element)>,
    chains: BTreeSet<Balancer>,
}

impl Kernel {
    /// Carries a change out; how many elements it took, and what was forgotten.
    fn apply(&mut self, change: &ServiceChange) -> (usize, Vec<Forgotten>) {
        let mut waiting = self.known.changes(change, DNS);
        let (mut size, mut all) = (0, Vec::new());
        while !waiting.is_empty() {
            let step = self.known.plan(&mut waiting);
            size += step.change.size();
            all.extend(step.forgotten.clone());
            self.carry_out(step);
        }
        if let Some(step) = self.known.forget_inherited().filter(|_| change.whole) {
            size += step.change.size();
            self.carry_out(step);
        }
        self.check();
        (size, all)
    }

    fn carry_out(&mut self, step: Step) {
        for new in &step.change.new {
            assert!(self.chains.insert(*new), "made twice");
        }
        for element in &step.change.remove {
            assert!(self.elements.remove(element), "not there: {element:?}");
        }
        for element in &step.change.add {
            let (set, key) = (element.0, &element.1.key);
            assert!(
                !self
                    .elements
                    .iter()
                    .any(|(name, there)| *name == set && there.key == *key)
            );
            self.elements.insert(element.clone());
        }
        for gone in &step.change.gone {
            assert!(self.chains.remove(gone));
        }
        self.known.done(step);
    }

    /// The process dies; another one finds what it left.
    fn restart(&mut self) {
        let services = Services(self.elements.iter().cloned().collect());
        self.chains = services.balancers();
        self.known = Known::default();
        self.known.inherit(services);
    }

    /// What the frontends come to, and whether every chain that is gone to is there.
    fn check(&self) {
        let all = self.known.frontends.iter();
        let wanted: BTreeSet<_> = all
            .flat_map(|(frontend, balanced)| elements(*frontend, balanced))
            .collect();
        let left = self
            .known
            .inherited
            .iter()
            .map(|((set, _), element)| (*set, element.clone()));
        assert_eq!(self.elements, wanted.into_iter().chain(left).collect());
        for (frontend, balanced) in &self.known.frontends {
            assert!(balancer(*frontend, balanced).is_none_or(|balancer| self.chains.contains(&balancer)));
        }
    }
}

fn set(frontend: Frontend, balanced: Balanced) -> ServiceChange {
    ServiceChange {
        set: vec![(frontend, balanced)],
        ..ServiceChange::default()
    }
}

#[test]
fn a_change_is_a_difference() {
    let mut kernel = Kernel::default();
    let frontend = address(9, Protocol::Tcp);
    assert_eq!(kernel.apply(&set(frontend, balanced(&[]))).0, 1);
    // The refusal goes; the way and three backends come.
    assert_eq!(kernel.apply(&set(frontend, balanced(&[1, 2, 3]))).0, 5);
    assert_eq!(kernel.apply(&set(frontend, balanced(&[1, 2, 3]))).0, 0);
    // One backend by another: it goes and comes.
    assert_eq!(kernel.apply(&set(frontend, balanced(&[1, 4, 3]))).0, 2);
    let remove = ServiceChange {
        remove: vec![frontend, address(8, Protocol::Tcp)],
        ..ServiceChange::default()
    };
    assert_eq!(kernel.apply(&remove).0, 4);
    assert!(kernel.elements.is_empty());
}

#[test]
fn chains_with_a_memory_go_and_others_stay() {
    let mut kernel = Kernel::default();
    let sticky = |seconds| Balanced {
        affinity: Some(Duration::from_secs(seconds)),
        ..balanced(&[1, 2])
    };
    kernel.apply(&set(address(9, Protocol::Tcp), sticky(10)));
    kernel.apply(&set(address(8, Protocol::Tcp), sticky(10)));
    kernel.apply(&set(address(8, Protocol::Tcp), sticky(500_000)));
    let named = |kernel: &Kernel| {
        kernel
            .chains
            .iter()
            .map(|chain| chain.affinity)
            .collect::<Vec<_>>()
    };
    assert_eq!(named(&kernel), [Some(10), Some(86_400)]);
    kernel.apply(&set(address(9, Protocol::Tcp), balanced(&[1, 2])));
    assert_eq!(named(&kernel), [None, Some(86_400)]);
    let whole = ServiceChange {
        whole: true,
        ..ServiceChange::default()
    };
    kernel.apply(&whole);
    assert!(kernel.elements.is_empty());
    assert_eq!(named(&kernel), [None]);
}

#[test]
fn udp_is_forgotten_where_its_way_has_changed() {
    let mut kernel = Kernel::default();
    let (udp, tcp) = (address(9, Protocol::Udp), address(9, Protocol::Tcp));
    let mut forgotten = |frontend, backends: &[u8]| {
        let list = kernel.apply(&set(frontend, balanced(backends))).1;
        list.into_iter()
            .map(|one| one.backend.map(|place| place.ip().octets()[3]))
            .collect::<Vec<_>>()
    };
    assert_eq!(forgotten(udp, &[]), []);
    assert_eq!(forgotten(udp, &[1, 2]), [None]);
    assert_eq!(forgotten(udp, &[2, 3]), [Some(1)]);
    assert_eq!(forgotten(udp, &[]), [Some(2), Some(3)]);
    assert_eq!(forgotten(tcp, &[1]), []);
    assert_eq!(forgotten(tcp, &[]), []);
}

#[test]
fn the_name_server_is_no_frontend() {
    let mut kernel = Kernel::default();
    assert_eq!(kernel.apply(&set(address(10, Protocol::Udp), balanced(&[]))).0, 0);
}

#[test]
fn what_was_left_and_is_still_so_costs_nothing() {
    let mut kernel = Kernel::default();
    let change = ServiceChange {
        whole: true,
        ..set(address(9, Protocol::Tcp), balanced(&[1, 2, 3]))
    };
    kernel.apply(&change);
    kernel.apply(&set(address(8, Protocol::Tcp), balanced(&[])));
    kernel.restart();
    assert_eq!(kernel.apply(&change).0, 1, "the other one goes");
}

#[test]
fn a_large_change_is_made_in_steps() {
    let mut kernel = Kernel::default();
    let many = (0..30_000_u32).map(|number| {
        let ip = Ipv4Addr::from_bits(0x0a2b_0100 + number);
        let frontend = Frontend::Address {
            ip,
            protocol: Protocol::Tcp,
            port: 80,
        };
        (frontend, balanced(&[]))
    });
    let change = ServiceChange {
        set: many.collect(),
        ..ServiceChange::default()
    };
    let mut waiting = kernel.known.changes(&change, DNS);
    let step = kernel.known.plan(&mut waiting);
    assert_eq!((step.change.size(), waiting.len()), (BURST, 10_000));
    kernel.known.done(step);
}

fn any_balanced() -> impl Strategy<Value = Balanced> {
    let affinity = proptest::option::of(1_u64..3);
    let backends = proptest::collection::vec(1_u8..6, 0..5);
    (backends, affinity, any::<bool>(), any::<bool>()).prop_map(|(backends, affinity, elsewhere, drop)| {
        Balanced {
            affinity: affinity.map(Duration::from_secs),
            elsewhere,
            none: if drop {
                Unanswered::Drop
            } else {
                Unanswered::Reject
            },
            ..balanced(&backends)
        }
    })
}

fn any_frontend() -> impl Strategy<Value = Frontend> {
    let protocol = prop_oneof![Just(Protocol::Tcp), Just(Protocol::Udp)];
    (0_u8..4, protocol).prop_map(|(number, protocol)| match number {
        0 => Frontend::NodePort {
            protocol,
            port: 30_080,
        },
        _ => address(number, protocol),
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn whatever_changes_the_table_is_what_the_frontends_come_to(
        changes in proptest::collection::vec(
            (
                proptest::collection::vec((any_frontend(), any_balanced()), 0..4),
                proptest::collection::vec(any_frontend(), 0..3),
                proptest::bool::weighted(0.1),
            ),
            1..12,
        )
    ) {
        let mut kernel = Kernel::default();
        for (set, remove, whole) in changes {
            kernel.apply(&ServiceChange { set, remove, whole });
        }
        prop_assert!(kernel.chains.len() <= 40);
    }

    #[test]
    fn what_was_left_gives_way_to_what_there_is(
        before in proptest::collection::vec((any_frontend(), any_balanced()), 0..8),
        between in proptest::collection::vec((any_frontend(), any_balanced()), 0..3),
        after in proptest::collection::vec((any_frontend(), any_balanced()), 0..8),
    ) {
        let mut kernel = Kernel::default();
        let change = |set, whole| ServiceChange { set, remove: Vec::new(), whole };
        kernel.apply(&change(before, false));
        kernel.restart();
        if !between.is_empty() {
            kernel.apply(&change(between, false));
        }
        let after: BTreeMap<_, _> = after.into_iter().collect();
        kernel.apply(&change(after.clone().into_iter().collect(), true));
        prop_assert!(kernel.known.inherited.is_empty());
        prop_assert_eq!(&kernel.known.frontends, &after);
        let used = |chain: &&Balancer| kernel.known.balancers.get(chain).is_some_and(|count| *count > 0);
        prop_assert!(kernel.chains.iter().filter(|chain| chain.affinity.is_some()).all(|chain| used(&chain)));
    }
}
