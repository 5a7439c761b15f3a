#ifndef MU_EXPLAIN_COMMANDS_H
#define MU_EXPLAIN_COMMANDS_H

/* The longer commands of causes.def and remedy.c, with places to fill. */

/* A certificate made again with openssl alone, in one step: whoever signs a request with `openssl x509 -req` has to copy its
 * extensions, and is not told. A root that is made again for want of an extension keeps name and key, or all that it has issued
 * would be lost with it. */
#define NEW_KEY "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout NEW.key"
#define LEAF(subject, purpose, more)                                                               \
    "openssl req -x509 " NEW_KEY " -subj /CN=" subject                                             \
    " -addext basicConstraints=critical,CA:FALSE -addext keyUsage=critical,digitalSignature "      \
    "-addext extendedKeyUsage=" purpose more " -CA ca.crt -CAkey ca.key -days 90 -out NEW.crt"
#define SERVER_ANEW LEAF("{host}", "serverAuth", " -addext subjectAltName={san}")
#define CLIENT_ANEW LEAF("{cn}", "clientAuth", "")
#define SIGN(purpose)                                                                                \
    "openssl req -x509 -in {file} -copy_extensions copy -addext basicConstraints=critical,CA:FALSE " \
    "-addext extendedKeyUsage=" purpose " -CA ca.crt -CAkey ca.key -days 90 -out NEW.crt"
#define SIGN_CA "openssl req -x509 -in {file} -copy_extensions copy" CA_EXTENSIONS BY_ROOT
#define SUBJECT_OF(file)                                                                           \
    "\"$(openssl x509 -in " file " -noout -subject -nameopt compat | cut -d= -f2-)\""
#define CA_EXTENSIONS                                                                              \
    " -addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign,cRLSign "
#define CA_ANEW                                                                                    \
    "openssl req -x509 -new -key ca.key -subj " SUBJECT_OF("ca.crt") CA_EXTENSIONS                 \
        "-days 3650 -out NEW.crt"
#define CA_NEW_KEY                                                                                 \
    "openssl req -x509 " NEW_KEY " -subj " SUBJECT_OF("ca.crt") CA_EXTENSIONS                      \
        "-days 3650 -out NEW.crt"
#define BY_ROOT "-CA root.crt -CAkey root.key -days 1825 -out NEW.crt"
#define ISSUING_ANEW                                                                               \
    "openssl req -x509 -new -key issuing.key -subj " SUBJECT_OF("issuing.crt") CA_EXTENSIONS BY_ROOT
#define ISSUING_NEW_KEY                                                                            \
    "openssl req -x509 " NEW_KEY " -subj " SUBJECT_OF("issuing.crt") CA_EXTENSIONS BY_ROOT
/* What it has in it stays. */
#define RENEWED(ca, by)                                                                            \
    "openssl x509 -x509toreq -in " ca ".crt -signkey " ca ".key -copy_extensions copy -out " ca    \
    ".csr && openssl x509 -req -in " ca ".csr -copy_extensions copy " by
#define CA_RENEWED RENEWED("ca", "-signkey ca.key -days 3650 -out NEW.crt")
#define ISSUING_RENEWED RENEWED("issuing", BY_ROOT)
#define NEW_LIST "openssl ca -gencrl -keyfile ca.key -cert ca.crt -out {file}"

#endif
