//! What is to be done next with the certificates. Pure: whoever asks brings what was found, the time, and for how long
//! things have been as they are.
//!
//! A new CA comes in three steps, so that a leaf that is served is trusted at every moment:
//!
//! 1. *announce*: the new CA joins the bundle; the old one goes on signing;
//! 2. *switch*, when API servers have had [`Policy::notice`] of the registered bundle: the new CA signs the leaf;
//! 3. *drop*, when replicas have had [`Policy::settle`] to serve it, with its CA registered: the old CA leaves the bundle.
//!
//! The leaf alone is renewed in one step. What is broken is repaired at once, by the least that helps: from memory, with the
//! CA that is there, and only then with a new one. A CA that is registered stays in the bundle as long as some replica may
//! serve a leaf of it.
//!
//! Clocks may differ by half of what certificates are back-dated by: half an hour, or an eighth of a short life.
//!
//! The waits are measured by the process that asks, by a clock that is never put back; the time of the day only decides
//! what is due. Whoever leads anew has watched before, or begins to wait again.

use super::Service;
use super::authority::{Authority, CannotMake, Leaf, back_dated};
use super::certificate::Certificate;
use super::material::{Data, Material};
use super::registered::Age;
use std::time::Instant;
use time::{Duration, OffsetDateTime};

/// How many CAs a bundle holds at most: what somebody else has put there is not carried along without end.
const MOST: usize = 8;

/// How long certificates live.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    /// How long a leaf is valid.
    pub validity: Duration,
    /// How long before its end it is renewed.
    pub refresh: Duration,
}

impl Policy {
    /// By the settings: a leaf is used for a tenth of its life at least.
    pub fn new(validity: std::time::Duration, refresh: std::time::Duration) -> Self {
        let duration = |duration| Duration::try_from(duration).unwrap_or(Duration::MAX);
        let validity = duration(validity);
        Policy { validity, refresh: duration(refresh).min(validity / 10_i32 * 9_i32) }
    }

    /// How long a CA is valid: for three leaves.
    pub fn authority_validity(&self) -> Duration {
        self.validity.saturating_mul(3)
    }

    /// How long a CA is registered before a leaf of it is served: API servers hear of a change of the configuration within
    /// seconds. A minute, or less where there is less time.
    pub fn notice(&self) -> Duration {
        (self.refresh / 8_i32).min(Duration::MINUTE)
    }

    /// How long replicas have to serve a leaf before the CA of the one before is trusted no more. An hour, or less where
    /// there is less time; twice the notice at least, for replicas keep it too.
    pub fn settle(&self) -> Duration {
        (self.refresh / 4_i32).min(Duration::HOUR)
    }

    /// When the next leaf is due.
    fn leaf_due(&self, leaf: &Certificate) -> OffsetDateTime {
        if outlives(leaf, self.validity) { leaf.start() } else { leaf.end().saturating_sub(self.refresh) }
    }

    /// When the next CA is due: when a leaf that it signs a refresh from then would outlive it.
    fn authority_due(&self, authority: &Certificate) -> OffsetDateTime {
        let reserve = self.validity.saturating_add(self.refresh);
        if outlives(authority, self.authority_validity()) {
            authority.start()
        } else {
            authority.end().saturating_sub(reserve)
        }
    }
}

/// Whether a certificate lives longer than those that are made now: the settings have changed.
fn outlives(certificate: &Certificate, valid: Duration) -> bool {
    certificate.lifetime() > valid.saturating_add(back_dated(valid)).saturating_add(Duration::SECOND)
}

/// What one process has seen of the Secret.
#[derive(Debug, Default)]
pub struct Seen {
    /// What it holds.
    pub found: Material,
    /// The last of it in which nothing was wrong.
    pub remembered: Material,
    /// The CA of the leaf that it holds, and since when.
    issuer: Option<(Certificate, Instant)>,
}

impl Seen {
    /// Takes in what the Secret holds now; nothing, where there is none.
    pub fn see(&mut self, data: Option<&Data>, service: &Service, now: Instant) {
        self.found = Material::read(data, service);
        if self.found.problems.is_empty() {
            self.remembered = self.found.clone();
        }
        let issuer = self.found.leaf.as_ref().map(|leaf| &leaf.issuer);
        if self.issuer.as_ref().map(|(issuer, _)| issuer) != issuer {
            self.issuer = issuer.map(|issuer| (issuer.clone(), now));
        }
    }

    /// For how long the Secret has held leaves of the CA whose leaf it holds now.
    pub fn issuer_age(&self, now: Instant) -> Duration {
        let age = self.issuer.as_ref().map(|(_, since)| now.saturating_duration_since(*since));
        age.map_or(Duration::ZERO, |age| Duration::try_from(age).unwrap_or(Duration::MAX))
    }
}

/// All that a decision depends on.
#[derive(Debug, Clone, Copy)]
pub struct Situation<'a> {
    /// What the Secret holds.
    pub found: &'a Material,
    /// The last of it in which nothing was wrong; empty if this process has seen none.
    pub remembered: &'a Material,
    /// For how long the Secret has held leaves of the CA whose leaf it holds now: see [`Seen::issuer_age`].
    pub issuer_age: Duration,
    /// What is registered, and for how long.
    pub registered: &'a [Age],
    /// The time of the day.
    pub now: OffsetDateTime,
}

/// A change of the Secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// What is remembered is written again.
    Restore,
    /// A new CA, and a leaf of it, at once: there is nothing to go on with.
    Create,
    /// A new CA joins the bundle.
    Announce,
    /// The CA that was announced signs the leaf from now on.
    Switch,
    /// The CA that signs signs a new leaf.
    Renew,
    /// CAs that are registered join the bundle: leaves of them may be served still.
    Keep,
    /// What cannot be read goes.
    Tidy,
    /// CAs of which no leaf is served any more leave the bundle.
    Drop,
}

impl Change {
    /// As logs call it.
    pub fn word(self) -> &'static str {
        match self {
            Change::Restore => "restore what was there",
            Change::Create => "make a CA and a leaf",
            Change::Announce => "announce a new CA",
            Change::Switch => "serve a leaf of the new CA",
            Change::Renew => "renew the leaf",
            Change::Keep => "keep the CAs that are registered",
            Change::Tidy => "remove what cannot be read",
            Change::Drop => "trust the old CA no more",
        }
    }
}

/// What is to be done next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// Nothing, for this long, unless something changes.
    Wait(Duration),
    /// This, now.
    Do(Change),
}

/// What is to be done next.
pub fn decide(policy: &Policy, at: &Situation<'_>) -> Next {
    let Situation { found, now, .. } = *at;
    let usable = |authority: &Authority| authority.certificate().holds_at(now);
    if !found.problems.is_empty() && at.remembered.signer.as_ref().is_some_and(usable) {
        return Next::Do(Change::Restore);
    }
    let signer = found.signer.as_ref().filter(|one| usable(one));
    let next = found.next.as_ref().filter(|one| usable(one));
    let Some(leaf) = found.leaf.as_ref().filter(|leaf| leaf.holds_at(now)) else {
        return Next::Do(match (signer, next) {
            (Some(_), _) => Change::Renew,
            (None, Some(_)) => Change::Switch,
            (None, None) => Change::Create,
        });
    };
    let mut waits = vec![policy.notice()];
    match next {
        Some(next) => {
            if policy.authority_due(next.certificate()) <= now {
                return Next::Do(Change::Announce);
            }
            match at.registered.iter().find(|(one, _)| one == next.certificate()) {
                Some((_, age)) if *age >= policy.notice() => return Next::Do(Change::Switch),
                Some((_, age)) => waits.push(policy.notice() - *age),
                None => {}
            }
        }
        None => match signer.map(|signer| policy.authority_due(signer.certificate())) {
            Some(due) if due > now => waits.push(due - now),
            _ => return Next::Do(Change::Announce),
        },
    }
    if let Some(signer) = signer {
        let due = policy.leaf_due(&leaf.certificate);
        // Near the end of a CA that cannot be replaced, the next leaf would be no better than this one.
        let helps = outlives(&leaf.certificate, policy.validity)
            || signer.certificate().end().min(now.saturating_add(policy.validity)) > leaf.certificate.end();
        if due > now {
            waits.push(due - now);
        } else if helps {
            return Next::Do(Change::Renew);
        }
    }
    if found.is_damaged() {
        return Next::Do(Change::Tidy);
    }
    if !keeps_all(policy, at) {
        return Next::Do(Change::Keep);
    }
    if needed(found).len() < found.bundle.len() {
        let age = settled_for(at);
        if age >= policy.settle() {
            return Next::Do(Change::Drop);
        }
        waits.push(policy.settle() - age);
    }
    Next::Wait(waits.into_iter().min().unwrap_or_default().max(Duration::milliseconds(100)))
}

/// What the Secret holds after this change.
///
/// # Errors
/// When the machine gives no random numbers.
pub fn carry_out(
    change: Change,
    policy: &Policy,
    service: &Service,
    at: &Situation<'_>,
) -> Result<Material, CannotMake> {
    let now = at.now;
    let made_anew = || Authority::new(policy.authority_validity(), now);
    let mut made = if change == Change::Restore { at.remembered.clone() } else { at.found.clone() };
    made.problems.clear();
    match change {
        Change::Restore | Change::Keep | Change::Tidy | Change::Drop | Change::Renew => {}
        Change::Announce => made.next = Some(made_anew()?),
        Change::Create => (made.signer, made.next) = (Some(made_anew()?), None),
        Change::Switch => made.signer = made.next.take(),
    }
    if let (Change::Create | Change::Switch | Change::Renew, Some(signer)) = (change, &made.signer) {
        // While replicas of a changed name become ready, those of the one before are asked still: one leaf serves both.
        let services = std::iter::once(service).chain(&at.found.before);
        made.leaf = Some(signer.leaf_for(services, policy.validity, now)?);
        made.before = None;
    }
    let mut bundle = needed(&made);
    if change != Change::Drop {
        let others = made.bundle.iter().chain(&at.found.bundle).chain(kept(policy, at));
        for one in others {
            if bundle.len() < MOST && !bundle.contains(one) {
                bundle.push(one.clone());
            }
        }
    }
    made.bundle = bundle;
    Ok(made)
}

/// What is to be registered: the bundle, unless it is damaged, or lacks a CA that must not go yet.
pub fn wanted<'a>(policy: &Policy, at: &Situation<'a>) -> Option<&'a [Certificate]> {
    (at.found.is_sound() && keeps_all(policy, at)).then_some(&at.found.bundle)
}

/// The CAs without which it does not work: that which signs first.
fn needed(material: &Material) -> Vec<Certificate> {
    let authorities = material.signer.iter().chain(&material.next).map(Authority::certificate);
    let mut needed: Vec<Certificate> = Vec::new();
    for one in authorities.chain(material.leaf.iter().map(|leaf| &leaf.issuer)) {
        if !needed.contains(one) {
            needed.push(one.clone());
        }
    }
    needed
}

/// For how long nothing has kept a replica from serving the leaf that is there: it is in the Secret, and its CA is
/// registered.
fn settled_for(at: &Situation<'_>) -> Duration {
    let registered = |leaf: &Leaf| at.registered.iter().find(|(one, _)| *one == leaf.issuer).map(|(_, age)| *age);
    at.found.leaf.as_ref().and_then(registered).unwrap_or_default().min(at.issuer_age)
}

/// The CAs that are registered and of which some replica may serve a leaf.
fn kept<'a>(policy: &Policy, at: &Situation<'a>) -> impl Iterator<Item = &'a Certificate> {
    let (now, settled) = (at.now, settled_for(at) >= policy.settle());
    at.registered.iter().map(|(one, _)| one).filter(move |one| !settled && one.end() > now)
}

/// Whether the bundle has all of these, as far as there is room.
fn keeps_all(policy: &Policy, at: &Situation<'_>) -> bool {
    let bundle = &at.found.bundle;
    bundle.len() >= MOST || kept(policy, at).all(|one| bundle.contains(one))
}

#[cfg(test)]
mod tests {
    use super::super::certificate::to_pem;
    use super::super::material::SIGNER_KEY;
    use super::super::material::tests::{authority, material, now, service, written};
    use super::super::problem::Problem;
    use super::*;

    const POLICY: Policy = Policy { validity: Duration::DAY, refresh: Duration::hours(8) };

    /// The parts of a situation, which is steady at first.
    struct Case {
        found: Material,
        remembered: Material,
        issuer_age: Duration,
        registered: Vec<Age>,
        now: OffsetDateTime,
    }

    impl Case {
        fn steady() -> Self {
            let found = material();
            let registered = vec![(found.bundle[0].clone(), Duration::DAY)];
            Case { found, remembered: Material::default(), issuer_age: Duration::DAY, registered, now: now() }
        }

        fn situation(&self) -> Situation<'_> {
            let Case { found, remembered, issuer_age, registered, now } = self;
            Situation { found, remembered, issuer_age: *issuer_age, registered, now: *now }
        }

        fn next(&self) -> Next {
            decide(&POLICY, &self.situation())
        }

        /// Does what is next, and reads it again.
        fn go(&mut self, change: Change) {
            assert_eq!(self.next(), Next::Do(change));
            let made = carry_out(change, &POLICY, &service(), &self.situation()).unwrap();
            let read = Material::read(Some(&written(&made)), &service());
            assert_eq!(Material { problems: Vec::new(), ..read.clone() }, made);
            let allowed = made.signer.is_none().then_some(Problem::Missing(SIGNER_KEY));
            assert_eq!(read.problems, allowed.as_slice());
            let issuer = |material: &Material| material.leaf.as_ref().map(|leaf| leaf.issuer.clone());
            if issuer(&read) != issuer(&self.found) {
                self.issuer_age = Duration::ZERO;
            }
            self.found = read;
        }

        fn register(&mut self, age: Duration) {
            self.registered = self.found.bundle.iter().map(|one| (one.clone(), age)).collect();
        }

        fn waits(&self) -> bool {
            matches!(self.next(), Next::Wait(_))
        }
    }

    #[test]
    fn a_first_start_makes_everything_and_rests() {
        let mut case = Case { found: Material::read(None, &service()), registered: Vec::new(), ..Case::steady() };
        case.issuer_age = Duration::ZERO;
        case.go(Change::Create);
        assert!(case.found.is_sound() && case.waits());
        assert_eq!(case.found.bundle.len(), 1);
    }

    #[test]
    fn the_leaf_is_renewed_in_one_step() {
        let mut case = Case::steady();
        assert_eq!(case.next(), Next::Wait(POLICY.notice()));
        case.now = now() + Duration::hours(16) - Duration::seconds(5);
        assert_eq!(case.next(), Next::Wait(Duration::seconds(5)));
        case.now += Duration::seconds(5);
        let bundle = case.found.bundle.clone();
        case.go(Change::Renew);
        assert_eq!((case.found.bundle.clone(), case.waits()), (bundle, true));
    }

    #[test]
    fn a_new_ca_comes_in_three_steps() {
        let mut case = Case::steady();
        let old = case.found.bundle[0].clone();
        case.now = now() + Duration::hours(40);
        case.found.leaf =
            Some(case.found.signer.as_ref().unwrap().leaf(&service(), POLICY.validity, case.now).unwrap());
        case.go(Change::Announce);
        let new = case.found.next.as_ref().unwrap().certificate().clone();
        assert_eq!(case.found.bundle, [old.clone(), new.clone()]);
        assert!(case.waits(), "it is not registered");
        case.register(POLICY.notice() - Duration::SECOND);
        assert_eq!(case.next(), Next::Wait(Duration::SECOND));
        case.register(POLICY.notice());
        case.go(Change::Switch);
        assert_eq!(case.found.bundle, [new.clone(), old]);
        assert!(case.found.next.is_none() && case.waits(), "replicas may serve the old leaf");
        case.register(Duration::DAY);
        case.issuer_age = POLICY.settle() - Duration::SECOND;
        assert_eq!(case.next(), Next::Wait(Duration::SECOND));
        case.issuer_age = POLICY.settle();
        case.go(Change::Drop);
        assert_eq!(case.found.bundle, [new]);
        assert!(case.waits(), "that the old one is registered still is no reason to take it back");
    }

    #[test]
    fn while_a_ca_is_announced_the_old_one_still_renews() {
        let mut case = Case::steady();
        case.now = now() + Duration::hours(40);
        case.found.leaf = None;
        case.go(Change::Renew);
        case.go(Change::Announce);
        case.now += Duration::hours(17);
        let old = case.found.signer.clone();
        case.go(Change::Renew);
        assert_eq!((case.found.signer.clone(), case.waits()), (old, true));
        case.now = case.found.leaf.as_ref().unwrap().certificate.end() - Duration::SECOND;
        assert!(case.waits(), "no leaf of this CA would live longer: {:?}", case.next());
        case.now += Duration::SECOND * 2;
        case.go(Change::Switch);
    }

    #[test]
    fn another_service_gets_a_leaf_of_the_same_ca_at_once() {
        let mut case = Case::steady();
        let bundle = case.found.bundle.clone();
        let renamed = Service { name: "other".to_owned(), ..service() };
        case.found = Material::read(Some(&written(&case.found)), &renamed);
        assert_eq!(case.next(), Next::Do(Change::Renew));
        let made = carry_out(Change::Renew, &POLICY, &renamed, &case.situation()).unwrap();
        assert_eq!(made.bundle, bundle);
        for service in [&renamed, &service()] {
            assert_eq!(Material::read(Some(&written(&made)), service).problems, [], "{service:?}");
        }
        // The next one is for the new name alone.
        case.found = made;
        let next = carry_out(Change::Renew, &POLICY, &renamed, &case.situation()).unwrap();
        assert_eq!(Material::read(Some(&written(&next)), &service()).problems, [Problem::WrongName]);
    }

    #[test]
    fn what_is_lost_comes_from_memory() {
        for lost in [None, Some(Data::new()), Some(Data::from_iter([("ca.crt".to_owned(), b"x".to_vec())]))] {
            let mut case = Case::steady();
            let before = case.found.clone();
            case.remembered = std::mem::replace(&mut case.found, Material::read(lost.as_ref(), &service()));
            case.go(Change::Restore);
            assert_eq!((case.found.clone(), case.waits()), (before, true));
        }
    }

    #[test]
    fn what_nobody_remembers_is_made_anew_and_what_is_registered_stays() {
        let mut case = Case::steady();
        let old = case.found.bundle[0].clone();
        case.found = Material::read(None, &service());
        case.issuer_age = Duration::ZERO;
        case.go(Change::Create);
        assert_eq!((case.found.bundle.len(), case.found.bundle[1] == old), (2, true));
        case.issuer_age = Duration::DAY;
        assert!(case.waits(), "it is not registered");
        case.register(POLICY.settle() - Duration::SECOND);
        assert_eq!(case.next(), Next::Wait(Duration::SECOND));
        case.register(POLICY.settle());
        case.go(Change::Drop);
    }

    #[test]
    fn a_foreign_leaf_is_served_until_ours_is_trusted() {
        let mut case = Case::steady();
        let mut foreign = written(&material());
        foreign.remove("ca.key");
        case.found = Material::read(Some(&foreign), &service());
        case.issuer_age = Duration::ZERO;
        let leaf = case.found.leaf.clone();
        case.go(Change::Announce);
        assert_eq!((&case.found.leaf, case.found.bundle.len()), (&leaf, 3));
        assert!(case.found.is_sound());
    }

    #[test]
    fn a_set_from_elsewhere_is_taken_and_what_is_registered_stays_for_a_while() {
        let mut case = Case::steady();
        case.found = material();
        case.issuer_age = Duration::ZERO;
        case.go(Change::Keep);
        assert!(case.waits());
        case.register(POLICY.settle());
        case.issuer_age = POLICY.settle();
        case.go(Change::Drop);
        assert!(case.waits());
    }

    #[test]
    fn a_lost_key_alone_leads_to_a_rotation() {
        let mut case = Case::steady();
        let mut data = written(&case.found);
        data.remove("ca.key");
        case.found = Material::read(Some(&data), &service());
        let old = case.found.bundle[0].clone();
        case.go(Change::Announce);
        assert_eq!(case.found.leaf.as_ref().unwrap().issuer, old);
        case.register(POLICY.notice());
        case.go(Change::Switch);
    }

    #[test]
    fn what_cannot_be_read_goes() {
        for key in ["ca-next.key", "ca.crt"] {
            let mut case = Case::steady();
            let mut data = written(&case.found);
            data.entry(key.to_owned()).or_default().extend(b"-----BEGIN X-----");
            case.found = Material::read(Some(&data), &service());
            case.go(Change::Tidy);
            assert!(case.waits());
        }
    }

    /// Half of a bundle may be whole in itself: what is missing is known by its key alone.
    #[test]
    fn a_bundle_without_the_ca_that_is_announced_is_not_registered() {
        let mut case = Case::steady();
        let next = authority();
        case.found.bundle.push(next.certificate().clone());
        case.found.next = Some(next);
        case.register(POLICY.settle());
        case.remembered = case.found.clone();
        let mut data = written(&case.found);
        data.insert("ca.crt".to_owned(), to_pem(&case.found.bundle[..1]));
        case.found = Material::read(Some(&data), &service());
        assert_eq!(wanted(&POLICY, &case.situation()), None);
        case.go(Change::Restore);
        assert_eq!(wanted(&POLICY, &case.situation()), Some(&case.found.bundle[..]));
    }

    #[test]
    fn what_has_expired_as_a_whole_is_made_anew() {
        let mut case = Case::steady();
        case.now = now() + Duration::days(30);
        case.go(Change::Create);
        assert!(case.found.leaf.as_ref().unwrap().holds_at(case.now));
    }

    #[test]
    fn a_longer_life_begins_with_the_ca() {
        let mut case = Case::steady();
        let short = Policy { validity: Duration::MINUTE, refresh: Duration::seconds(20) };
        case.found = Material::default();
        case.found = carry_out(Change::Create, &short, &service(), &case.situation()).unwrap();
        case.register(Duration::DAY);
        case.go(Change::Announce);
    }

    #[test]
    fn what_is_young_by_this_clock_is_not_valid_by_another() {
        let mut case = Case::steady();
        case.now = now() - Duration::minutes(29);
        assert!(case.waits());
        case.now = now() - Duration::minutes(31);
        assert_eq!(case.next(), Next::Do(Change::Create));
    }

    #[test]
    fn a_shorter_life_counts_for_what_is_there() {
        let mut case = Case::steady();
        let signer = Authority::new(Duration::days(900), now()).unwrap();
        case.found = Material {
            bundle: vec![signer.certificate().clone()],
            leaf: Some(signer.leaf(&service(), Duration::days(300), now()).unwrap()),
            signer: Some(signer),
            ..Material::default()
        };
        case.register(Duration::DAY);
        case.go(Change::Announce);
        case.go(Change::Renew);
        assert!(case.waits());
    }

    #[test]
    fn foreign_cas_are_not_carried_along_without_end() {
        let mut case = Case::steady();
        case.registered = (0..20).map(|_| (authority().certificate().clone(), Duration::DAY)).collect();
        case.issuer_age = Duration::ZERO;
        case.go(Change::Keep);
        assert_eq!(case.found.bundle.len(), MOST);
        assert!(case.waits());
    }

    #[test]
    fn waits_fit_into_short_lives() {
        for (validity, refresh) in
            [(30, 20), (40, 30), (60, 20), (60, 59), (300, 100), (86_400, 28_800), (31_536_000, 2_592_000)]
        {
            let seconds = std::time::Duration::from_secs;
            let policy = Policy::new(seconds(validity), seconds(refresh));
            assert!(policy.settle() >= policy.notice() * 2);
            assert!(policy.notice() + policy.settle() < policy.refresh / 2);
            assert!(policy.authority_validity() - policy.validity - policy.refresh > policy.validity - policy.refresh);
        }
    }
}
