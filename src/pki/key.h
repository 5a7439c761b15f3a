#ifndef MU_PKI_KEY_H
#define MU_PKI_KEY_H

/* A private key, or a public one alone. Its private half leaves only through mu_key_to_pem(). */

#include <openssl/types.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/error.h"
#include "base/secret.h"

struct mu_key;

void mu_key_free(struct mu_key *key);
MU_AUTO_DEFINE_STRUCT(mu_key, mu_key_free)

/* The names of key types that mu_key_generate() knows, for --help: "p256, p384, ...". */
extern const char mu_key_types[];

/*
 * Make a key: "p256" (the default), "p384", "p521", "rsa2048", "rsa3072", "rsa4096", "ed25519", "ml-dsa-44",
 * "ml-dsa-65", "ml-dsa-87"; upper case, and openssl's spellings ("prime256v1", "P-256", "rsa:2048"), are
 * understood too.
 * Fails with MU_E_USAGE (an unknown type: the hint lists what there is), MU_E_UNSUPPORTED (one that this libcrypto has
 * not: ML-DSA before OpenSSL 3.5), MU_E_CRYPTO.
 */
MU_CHECK int mu_key_generate(const char *type, struct mu_key **ret, struct mu_error *err);

/* The same for many keys of one type. Fails as above, each in its place. */
struct mu_key_maker;
MU_CHECK int mu_key_maker_new(const char *type, struct mu_key_maker **ret, struct mu_error *err);
MU_CHECK int mu_key_make(struct mu_key_maker *maker, struct mu_key **ret, struct mu_error *err);
void mu_key_maker_free(struct mu_key_maker *maker);
MU_AUTO_DEFINE_STRUCT(mu_key_maker, mu_key_maker_free)

/* Another key of the same kind and size. Fails with MU_E_UNSUPPORTED. */
MU_CHECK int mu_key_generate_like(const struct mu_key *like, struct mu_key **ret,
                                  struct mu_error *err);

/* 0 if mu_key_generate() would know this type; else fails as it does. For checking before work is done. */
MU_CHECK int mu_key_type_check(const char *type, struct mu_error *err);

/*
 * Does a key fit a rule: a type as above, "rsa3072+" (RSA of that size or larger), or "rsa" (RSA of any)? A rule that
 * mu_key_rule_check() refuses fits no key. Fails with MU_E_UNSUPPORTED.
 */
bool mu_key_fits(const struct mu_key *key, const char *rule);
MU_CHECK int mu_key_rule_check(const char *rule, struct mu_error *err);

/* PKCS#8 PEM, encrypted (PBES2, AES-256-CBC, PBKDF2 with 100,000 turns) when `passphrase` is not NULL. `ret` must
 * be a secret buffer. [RFC 5958, RFC 8018] */
MU_CHECK int mu_key_to_pem(const struct mu_key *key, const struct mu_secret *passphrase,
                           struct mu_buf *ret, struct mu_error *err);

/* The same as DER. */
MU_CHECK int mu_key_to_der(const struct mu_key *key, const struct mu_secret *passphrase,
                           struct mu_buf *ret, struct mu_error *err);

/*
 * The one private key in `path`: PEM or DER; PKCS#8, PKCS#1 or SEC1, encrypted or not; or the key in a
 * PKCS#12. `source` is asked for a passphrase only if one is needed; it may be NULL.
 * Fails with MU_E_NOT_FOUND, MU_E_IO, MU_E_EMPTY, MU_E_DAMAGED, MU_E_WRONG_KIND (names what is in the file
 * instead), MU_E_PASSPHRASE_NEEDED, MU_E_PASSPHRASE_WRONG, MU_E_UNSUPPORTED.
 */
MU_CHECK int mu_key_load(const char *path, const struct mu_passphrase_source *source,
                         struct mu_key **ret, struct mu_error *err);

/* The same from what has been read already, and from memory; `name` is for errors and for the prompt. */
struct mu_objects;
MU_CHECK int mu_key_pick(const char *name, struct mu_objects *objects,
                         const struct mu_passphrase_source *source, struct mu_key **ret,
                         struct mu_error *err);
MU_CHECK int mu_key_parse(const char *name, const void *data, size_t len,
                          const struct mu_passphrase_source *source, struct mu_key **ret,
                          struct mu_error *err);

/* "EC P-256", "RSA 2048", "Ed25519": for people. Returns `ret`. */
#define MU_KEY_DESCRIPTION_LEN 48
char *mu_key_describe(const struct mu_key *key, char ret[MU_KEY_DESCRIPTION_LEN]);

/* SHA-256 of the SubjectPublicKeyInfo: what "pins" and key comparisons use. [RFC 7469 2.4] */
MU_CHECK int mu_key_pin(const struct mu_key *key, unsigned char ret[32], struct mu_error *err);

/* The same as a person writes it: "sha256//BASE64", as curl has it. False: it is not that. */
bool mu_key_pin_parse(const char *text, unsigned char ret[32]);

/* Do both have the same public half? */
bool mu_key_same_public(const struct mu_key *a, const struct mu_key *b);

/* A signature by this key over `data` as it is, in the form that openssl dgst -verify takes; appended. Whoever signs
 * begins `data` with words of its own, so that a signature for one thing is none for another.
 * Fails with MU_E_CRYPTO. */
MU_CHECK int mu_key_sign(const struct mu_key *key, const void *data, size_t len, struct mu_buf *ret,
                         struct mu_error *err);
bool mu_key_verify(const struct mu_key *key, const void *data, size_t len, const void *signature,
                   size_t signature_len);

/* SHA-256, in upper-case hexadecimal. Returns `ret`; "" where libcrypto fails. */
#define MU_SHA256_LEN 65
char *mu_sha256(const void *data, size_t len, char ret[MU_SHA256_LEN]);

/* For pki and tls: wrap a key (takes `evp`, even on failure), and look inside (borrowed). */
MU_CHECK int mu_key_wrap(EVP_PKEY *evp, struct mu_key **ret, struct mu_error *err);
EVP_PKEY *mu_key_evp(const struct mu_key *key);

/* For pki: what a type is made of: an EC group's name, or RSA's bits; NULL and 0 for the others. Fails as
 * mu_key_type_check() does. */
MU_CHECK int mu_key_type_parts(const char *type, const char **ret_group, unsigned *ret_bits,
                               struct mu_error *err);

/* For pki: the digest to sign with by this key; NULL for a key that brings its own (Ed25519, ML-DSA). */
const EVP_MD *mu_digest_for(const struct mu_key *key);

#endif
