//! Answers are compressed for those who can read them so.

use tower_http::CompressionLevel;
use tower_http::compression::CompressionLayer;
use tower_http::compression::predicate::{NotForContentType, Predicate, SizeAbove};

/// The shortest answer that is compressed, in bytes: below, a packet is a packet.
const MIN_BYTES: u64 = 1024;

/// The layer that compresses answers. Event streams stay as they are, for a compressor holds events back until it has enough.
pub fn layer() -> CompressionLayer<impl Predicate> {
    CompressionLayer::new()
        .quality(CompressionLevel::Fastest)
        .compress_when(SizeAbove::new(MIN_BYTES).and(NotForContentType::SSE))
}
