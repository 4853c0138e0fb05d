//! What daemon and proxy say to each other: no input makes a decoder panic, and what is written is read back.

#![allow(clippy::unwrap_used)]

use proptest::prelude::*;
use wire::field::{Message, put_bytes};
use wire::frame;
use wire::proxy::{
    Answer, AssetFolder, Assets, Backend, BackendMode, Canary, Command, Limits, Report, Route,
    SetCertificates, Table, bucket, quantile_us,
};

fn decode_all(bytes: &[u8]) {
    if let Ok(Some((frame, used))) = frame::split(bytes) {
        assert!(used <= bytes.len());
        let _ = Command::from_frame(&frame);
        let _ = Answer::from_frame(&frame);
    }
    let _ = Table::decode(bytes);
    let _ = Report::decode(bytes);
    let _ = SetCertificates::decode(bytes);
}

/// A frame of a known type with small tags and nested fields.
fn plausible() -> impl Strategy<Value = Vec<u8>> {
    let field = |(tag, value): (u16, Vec<u8>)| {
        let mut bytes = Vec::new();
        put_bytes(tag, &value, &mut bytes);
        bytes
    };
    let leaf = (0u16..14, proptest::collection::vec(any::<u8>(), 0..12)).prop_map(field);
    let nested = leaf.prop_recursive(6, 64, 8, move |inner| {
        (0u16..14, proptest::collection::vec(inner, 0..8).prop_map(|parts| parts.concat())).prop_map(field)
    });
    let kind = prop_oneof![301u16..306, 401u16..408];
    (kind, proptest::collection::vec(nested, 0..6)).prop_map(|(kind, fields)| {
        let mut bytes = Vec::new();
        frame::put(kind, 3, |out| out.extend(fields.concat()), &mut bytes).unwrap();
        bytes
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(2_000) })]

    #[test]
    fn random_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        decode_all(&bytes);
    }

    #[test]
    fn plausible_frames_never_panic(bytes in plausible()) {
        decode_all(&bytes);
    }

    #[test]
    fn flipped_and_cut_recordings_never_panic(at in 0usize..10_000, byte: u8, cut in 0usize..10_000) {
        for recording in [
            &include_bytes!("../golden/proxy-command-set-table.bin")[..],
            include_bytes!("../golden/proxy-command-set-certificates.bin"),
            include_bytes!("../golden/proxy-answer-report.bin"),
        ] {
            let mut bytes = recording.to_vec();
            let length = bytes.len();
            bytes[at % length] = byte;
            bytes.truncate(cut % (length + 1));
            decode_all(&bytes);
        }
    }

    #[test]
    fn a_table_is_read_back(
        app in ".{0,20}",
        texts in proptest::collection::vec(".{0,20}", 0..4),
        numbers: (u64, u64, u64),
        instances in proptest::collection::vec((any::<u64>(), any::<bool>(), any::<Option<u16>>()), 0..5),
    ) {
        let backends = instances.into_iter().map(|(instance, draining, health_port)| Backend {
            instance,
            mode: if draining { BackendMode::Draining } else { BackendMode::Active },
            health_port,
            canary: !draining,
            ..Backend::default()
        });
        let folders = texts.iter().map(|path| AssetFolder { path: path.clone(), until_ms: numbers.1 });
        let route = Route {
            app,
            assets: Some(Assets { prefixes: texts.clone(), folders: folders.collect() }),
            hosts: texts.clone(),
            endless_types: texts,
            limits: Limits { max_body_bytes: numbers.1, ..Limits::default() },
            hold_ms: numbers.2,
            canary: (numbers.0 % 2 == 0).then(|| Canary { share: numbers.1 as u32, ..Canary::default() }),
            backends: backends.collect(),
            ..Route::default()
        };
        let table = Table { revision: numbers.0, routes: vec![route, Route::default()], ..Table::default() };
        let mut bytes = Vec::new();
        table.encode(&mut bytes);
        prop_assert_eq!(Table::decode(&bytes).unwrap(), table);
    }

    /// A report of another version may have more buckets, or fewer.
    #[test]
    fn quantiles_of_anything(counts in proptest::collection::vec(0u64..1 << 40, 0..40), quantile in 0.0f64..1.0, us: u64) {
        let _ = quantile_us(&counts, quantile);
        prop_assert!(bucket(us) <= wire::proxy::BOUNDS_US.len());
    }
}
