//! The Close frame that the proxy sends.

/// Status code "going away" (RFC 6455, 7.4.1): the client may connect again at once.
const GOING_AWAY: u16 = 1001;

/// A Close frame with 1001; masked where it goes to a server, as every frame of a client must be (5.3).
pub fn going_away(mask: Option<[u8; 4]>) -> Vec<u8> {
    let [high, low] = GOING_AWAY.to_be_bytes();
    match mask {
        None => vec![0x88, 2, high, low],
        Some(key) => {
            vec![0x88, 0x80 | 2, key[0], key[1], key[2], key[3], high ^ key[0], low ^ key[1]]
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn towards_the_client_and_towards_the_instance() {
        assert_eq!(going_away(None), [0x88, 0x02, 0x03, 0xe9]);
        assert_eq!(going_away(Some([1, 2, 3, 4])), [0x88, 0x82, 1, 2, 3, 4, 0x03 ^ 1, 0xe9 ^ 2]);
    }
}
