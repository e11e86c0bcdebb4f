/* BLAKE2b without a key, of 8 bytes: https://www.rfc-editor.org/rfc/rfc7693 */

#include <stdint.h>
#include <string.h>

static const uint64_t blake2b_iv[8] = {
    0x6a09e667f3bcc908ULL, 0xbb67ae8584caa73bULL, 0x3c6ef372fe94f82bULL, 0xa54ff53a5f1d36f1ULL,
    0x510e527fade682d1ULL, 0x9b05688c2b3e6c1fULL, 0x1f83d9abfb41bd6bULL, 0x5be0cd19137e2179ULL,
};
static const unsigned char blake2b_order[12][16] = {
    {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15},
    {14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3},
    {11, 8, 12, 0, 5, 2, 15, 13, 10, 14, 3, 6, 7, 1, 9, 4},
    {7, 9, 3, 1, 13, 12, 11, 14, 2, 6, 5, 10, 4, 0, 15, 8},
    {9, 0, 5, 7, 2, 4, 10, 15, 14, 1, 11, 12, 6, 8, 3, 13},
    {2, 12, 6, 10, 0, 11, 8, 3, 4, 13, 7, 5, 15, 14, 1, 9},
    {12, 5, 1, 15, 14, 13, 4, 10, 0, 7, 6, 3, 9, 2, 8, 11},
    {13, 11, 7, 14, 12, 1, 3, 9, 5, 0, 15, 4, 8, 6, 2, 10},
    {6, 15, 14, 9, 11, 3, 0, 8, 12, 2, 13, 7, 1, 4, 10, 5},
    {10, 2, 8, 4, 7, 6, 1, 5, 15, 11, 9, 14, 3, 12, 13, 0},
    {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15},
    {14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3},
};

#define BLAKE2B_TURN(x, n) ((x) >> (n) | (x) << (64 - (n)))
#define BLAKE2B_MIX(a, b, c, d, x, y) \
    a += b + (x); d = BLAKE2B_TURN(d ^ a, 32); c += d; b = BLAKE2B_TURN(b ^ c, 24); \
    a += b + (y); d = BLAKE2B_TURN(d ^ a, 16); c += d; b = BLAKE2B_TURN(b ^ c, 63);
#define BLAKE2B_WORD(r, i) m[blake2b_order[r][i]]
#define BLAKE2B_ROUND(r) \
    BLAKE2B_MIX(v[0], v[4], v[8], v[12], BLAKE2B_WORD(r, 0), BLAKE2B_WORD(r, 1)) \
    BLAKE2B_MIX(v[1], v[5], v[9], v[13], BLAKE2B_WORD(r, 2), BLAKE2B_WORD(r, 3)) \
    BLAKE2B_MIX(v[2], v[6], v[10], v[14], BLAKE2B_WORD(r, 4), BLAKE2B_WORD(r, 5)) \
    BLAKE2B_MIX(v[3], v[7], v[11], v[15], BLAKE2B_WORD(r, 6), BLAKE2B_WORD(r, 7)) \
    BLAKE2B_MIX(v[0], v[5], v[10], v[15], BLAKE2B_WORD(r, 8), BLAKE2B_WORD(r, 9)) \
    BLAKE2B_MIX(v[1], v[6], v[11], v[12], BLAKE2B_WORD(r, 10), BLAKE2B_WORD(r, 11)) \
    BLAKE2B_MIX(v[2], v[7], v[8], v[13], BLAKE2B_WORD(r, 12), BLAKE2B_WORD(r, 13)) \
    BLAKE2B_MIX(v[3], v[4], v[9], v[14], BLAKE2B_WORD(r, 14), BLAKE2B_WORD(r, 15))

static inline uint64_t blake2b_word(const unsigned char *at) {
    return (uint64_t)at[0] | (uint64_t)at[1] << 8 | (uint64_t)at[2] << 16 | (uint64_t)at[3] << 24
        | (uint64_t)at[4] << 32 | (uint64_t)at[5] << 40 | (uint64_t)at[6] << 48 | (uint64_t)at[7] << 56;
}

static void blake2b_block(uint64_t h[8], const unsigned char *block, uint64_t bytes, int is_last) {
    uint64_t v[16], m[16];
    int i;
    for (i = 0; i < 16; i++)
        m[i] = blake2b_word(block + 8 * i);
    for (i = 0; i < 8; i++) {
        v[i] = h[i];
        v[i + 8] = blake2b_iv[i];
    }
    v[12] ^= bytes;
    if (is_last)
        v[14] = ~v[14];
    BLAKE2B_ROUND(0) BLAKE2B_ROUND(1) BLAKE2B_ROUND(2) BLAKE2B_ROUND(3)
    BLAKE2B_ROUND(4) BLAKE2B_ROUND(5) BLAKE2B_ROUND(6) BLAKE2B_ROUND(7)
    BLAKE2B_ROUND(8) BLAKE2B_ROUND(9) BLAKE2B_ROUND(10) BLAKE2B_ROUND(11)
    for (i = 0; i < 8; i++)
        h[i] ^= v[i] ^ v[i + 8];
}

static int64_t blake2b_number(const char *text, size_t size) {
    uint64_t h[8];
    unsigned char last[128];
    size_t done = 0;
    memcpy(h, blake2b_iv, sizeof h);
    h[0] ^= 0x01010008;
    for (; size - done > 128; done += 128)
        blake2b_block(h, (const unsigned char *)text + done, done + 128, 0);
    memset(last, 0, sizeof last);
    memcpy(last, text + done, size - done);
    blake2b_block(h, last, size, 1);
    return (int64_t)h[0];
}
