// Java's JSSE as a client that loops and as a server that demands a certificate.
//
//   Peer client PORT VERSION CA P12|- COUNT
//   Peer server VERSION CA P12
//
// P12 is a PKCS#12 file under the passphrase "secret".

import com.sun.net.httpserver.HttpsConfigurator;
import com.sun.net.httpserver.HttpsExchange;
import com.sun.net.httpserver.HttpsParameters;
import com.sun.net.httpserver.HttpsServer;
import java.io.FileInputStream;
import java.io.InputStream;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyStore;
import java.security.Principal;
import java.security.PrivateKey;
import java.security.cert.Certificate;
import java.security.cert.CertificateFactory;
import java.security.cert.X509Certificate;
import javax.net.ssl.KeyManager;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLEngine;
import javax.net.ssl.SSLParameters;
import javax.net.ssl.TrustManagerFactory;
import javax.net.ssl.X509ExtendedKeyManager;

public class Peer {
    static final char[] PASSPHRASE = "secret".toCharArray();

    /** Always the one entry: left alone, JSSE sends none if its issuer is not in the server's list. */
    static final class OneEntry extends X509ExtendedKeyManager {
        final KeyStore store;
        final String alias;

        OneEntry(KeyStore store) throws Exception {
            this.store = store;
            this.alias = store.aliases().nextElement();
        }

        public String[] getClientAliases(String type, Principal[] issuers) { return new String[] {alias}; }
        public String[] getServerAliases(String type, Principal[] issuers) { return new String[] {alias}; }
        public String chooseClientAlias(String[] t, Principal[] i, Socket s) { return alias; }
        public String chooseServerAlias(String t, Principal[] i, Socket s) { return alias; }
        public String chooseEngineClientAlias(String[] t, Principal[] i, SSLEngine e) { return alias; }
        public String chooseEngineServerAlias(String t, Principal[] i, SSLEngine e) { return fits(t) ? alias : null; }

        boolean fits(String type) {
            try {
                return type.startsWith(store.getCertificate(alias).getPublicKey().getAlgorithm());
            } catch (Exception e) {
                throw new IllegalStateException(e);
            }
        }

        public X509Certificate[] getCertificateChain(String a) {
            try {
                Object[] chain = store.getCertificateChain(alias);
                return java.util.Arrays.copyOf(chain, chain.length, X509Certificate[].class);
            } catch (Exception e) {
                throw new IllegalStateException(e);
            }
        }

        public PrivateKey getPrivateKey(String a) {
            try {
                return (PrivateKey) store.getKey(alias, PASSPHRASE);
            } catch (Exception e) {
                throw new IllegalStateException(e);
            }
        }
    }

    static SSLContext context(String ca, String p12) throws Exception {
        KeyStore trusted = KeyStore.getInstance(KeyStore.getDefaultType());
        trusted.load(null, null);
        try (InputStream in = new FileInputStream(ca)) {
            int i = 0;
            for (Certificate root : CertificateFactory.getInstance("X.509").generateCertificates(in))
                trusted.setCertificateEntry("ca-" + i++, root);
        }
        TrustManagerFactory trust = TrustManagerFactory.getInstance("PKIX");
        trust.init(trusted);
        KeyManager[] keys = null;
        if (!p12.equals("-")) {
            KeyStore own = KeyStore.getInstance("PKCS12");
            try (InputStream in = Files.newInputStream(Path.of(p12))) {
                own.load(in, PASSPHRASE);
            }
            keys = new KeyManager[] {new OneEntry(own)};
        }
        SSLContext context = SSLContext.getInstance("TLS");
        context.init(keys, trust.getTrustManagers(), null);
        return context;
    }

    static SSLParameters parameters(SSLContext context, String version) {
        SSLParameters parameters = context.getDefaultSSLParameters();
        parameters.setProtocols(new String[] {"TLSv" + version});
        return parameters;
    }

    static String reasons(Throwable e) {
        StringBuilder all = new StringBuilder("error:");
        for (; e != null; e = e.getCause()) {
            all.append(' ').append(e).append(';');
        }
        return all.toString().replace('\n', ' ');
    }

    static void client(String port, String version, String ca, String p12, int count) throws Exception {
        SSLContext context = context(ca, p12);
        HttpRequest request = HttpRequest.newBuilder(URI.create("https://localhost:" + port + "/")).build();
        for (int i = 0; i < count; i++) {
            HttpClient client = HttpClient.newBuilder().sslContext(context)
                .version("1.1".equals(System.getenv("PEER_HTTP")) ? HttpClient.Version.HTTP_1_1 : HttpClient.Version.HTTP_2)
                .sslParameters(parameters(context, version)).build();
            try {
                HttpResponse<String> response = client.send(request, HttpResponse.BodyHandlers.ofString());
                System.out.println(response.statusCode() + " " + response.body());
            } catch (java.io.IOException e) {
                System.out.println(reasons(e));
            }
        }
        System.exit(0);
    }

    static void server(String version, String ca, String p12) throws Exception {
        SSLContext context = context(ca, p12);
        HttpsServer server = HttpsServer.create(new InetSocketAddress("127.0.0.1", 0), 0);
        server.setHttpsConfigurator(new HttpsConfigurator(context) {
            @Override
            public void configure(HttpsParameters https) {
                SSLParameters parameters = parameters(context, version);
                parameters.setNeedClientAuth(true);
                https.setSSLParameters(parameters);
            }
        });
        server.createContext("/", exchange -> {
            String who = ((HttpsExchange) exchange).getSSLSession().getPeerPrincipal().getName();
            byte[] body = ("Hello " + who.replace("CN=", "") + " from java").getBytes();
            exchange.sendResponseHeaders(200, body.length);
            exchange.getResponseBody().write(body);
            exchange.close();
        });
        server.start();
        System.out.println("port " + server.getAddress().getPort());
    }

    public static void main(String[] args) throws Exception {
        if (args[0].equals("client")) {
            client(args[1], args[2], args[3], args[4], Integer.parseInt(args[5]));
        } else {
            server(args[1], args[2], args[3]);
        }
    }
}
