// Java's JSSE as a client that loops and as a server that demands a certificate.
//
//   Peer client PORT VERSION CA P12|- COUNT
//   Peer server VERSION CA P12
//   Peer jobs                   (one a line, from standard input: see observe.py)
//
// P12 is a PKCS#12 file under the passphrase "secret".

import com.sun.net.httpserver.HttpsConfigurator;
import com.sun.net.httpserver.HttpsExchange;
import com.sun.net.httpserver.HttpsParameters;
import com.sun.net.httpserver.HttpsServer;
import java.io.BufferedReader;
import java.io.FileInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.net.InetAddress;
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
import java.util.HashMap;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import javax.net.ssl.KeyManager;
import javax.net.ssl.KeyManagerFactory;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLEngine;
import javax.net.ssl.SSLParameters;
import javax.net.ssl.SSLServerSocket;
import javax.net.ssl.SSLSocket;
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

    // --- Jobs: any client and any server, as somebody would write it who follows the manual ---

    static final Map<String, SSLServerSocket> listeners = new ConcurrentHashMap<>();

    static void say(String what, String id, String text) {
        System.out.println(what + "\t" + id + "\t" + text.strip().replace("\n", " / "));
    }

    /** An exception and its causes, as far as these say something new. */
    static String jobReasons(Throwable e) {
        StringBuilder all = new StringBuilder(e.toString());
        for (e = e.getCause(); e != null; e = e.getCause()) {
            if (e.getMessage() == null || all.indexOf(e.getMessage()) < 0)
                all.append(" / Caused by: ").append(e);
        }
        return all.toString();
    }

    static SSLContext jobContext(Map<String, String> job) throws Exception {
        KeyManager[] keys = null;
        if (job.containsKey("pfx")) {
            char[] passphrase = job.getOrDefault("pass", "secret").toCharArray();
            KeyStore own = KeyStore.getInstance("PKCS12");
            try (InputStream in = Files.newInputStream(Path.of(job.get("pfx")))) {
                own.load(in, passphrase);
            }
            KeyManagerFactory factory = KeyManagerFactory.getInstance(KeyManagerFactory.getDefaultAlgorithm());
            factory.init(own, passphrase);
            keys = factory.getKeyManagers();
        }
        TrustManagerFactory trust = TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
        KeyStore trusted = KeyStore.getInstance(KeyStore.getDefaultType());
        trusted.load(null, null);
        if (job.containsKey("ca")) {
            try (InputStream in = new FileInputStream(job.get("ca"))) {
                int i = 0;
                for (Certificate root : CertificateFactory.getInstance("X.509").generateCertificates(in))
                    trusted.setCertificateEntry("ca-" + i++, root);
            }
        }
        trust.init(trusted);
        SSLContext context = SSLContext.getInstance("TLS");
        context.init(keys, job.containsKey("ca") ? trust.getTrustManagers() : null, null);
        return context;
    }

    static SSLParameters jobParameters(SSLContext context, Map<String, String> job) {
        SSLParameters parameters = context.getDefaultSSLParameters();
        if ("1.2".equals(job.get("max")))
            parameters.setProtocols(new String[] {"TLSv1.2"});
        return parameters;
    }

    static void jobClient(Map<String, String> job) {
        try {
            SSLContext context = jobContext(job);
            int port = Integer.parseInt(job.get("port"));
            try (Socket plain = new Socket(InetAddress.getByName("127.0.0.1"), port);
                 SSLSocket socket = (SSLSocket) context.getSocketFactory().createSocket(plain, job.get("host"), port, true)) {
                socket.setSoTimeout(20000);
                SSLParameters parameters = jobParameters(context, job);
                parameters.setEndpointIdentificationAlgorithm("HTTPS");
                socket.setSSLParameters(parameters);
                socket.getOutputStream().write(
                    ("GET / HTTP/1.1\r\nHost: " + job.get("host") + "\r\nConnection: close\r\n\r\n").getBytes());
                byte[] answer = socket.getInputStream().readAllBytes();
                if (answer.length == 0)
                    throw new java.io.EOFException("no answer");
                String text = new String(answer).replace("\r", "");
                say("answer", job.get("id"), text.split(" ")[1] + " " + text.substring(text.indexOf("\n\n") + 2));
            }
        } catch (Exception e) {
            say("error", job.get("id"), jobReasons(e));
        }
    }

    static void jobTalk(String id, SSLSocket accepted) {
        try (SSLSocket socket = accepted) {
            socket.setSoTimeout(20000);
            if (socket.getInputStream().read(new byte[4096]) > 0)
                socket.getOutputStream().write(
                    "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nHello".getBytes());
        } catch (IOException e) {
            say("log", id, jobReasons(e));
        }
    }

    static void jobServer(Map<String, String> job) {
        String id = job.get("id");
        try {
            SSLContext context = jobContext(job);
            SSLServerSocket listener = (SSLServerSocket) context.getServerSocketFactory().createServerSocket(
                0, 64, InetAddress.getByName("127.0.0.1"));
            SSLParameters parameters = jobParameters(context, job);
            if (job.get("clients").equals("require"))
                parameters.setNeedClientAuth(true);
            else if (!job.get("clients").equals("none"))
                parameters.setWantClientAuth(true);
            listener.setSSLParameters(parameters);
            listeners.put(id, listener);
            say("port", id, "" + listener.getLocalPort());
            while (true) {
                SSLSocket accepted = (SSLSocket) listener.accept();
                new Thread(() -> jobTalk(id, accepted)).start();
            }
        } catch (Exception e) {
            if (!listeners.containsKey(id))
                say("error", id, jobReasons(e));
        }
    }

    static void jobs() throws Exception {
        BufferedReader lines = new BufferedReader(new InputStreamReader(System.in));
        for (String line = lines.readLine(); line != null; line = lines.readLine()) {
            Map<String, String> job = new HashMap<>();
            for (String field : line.split("\t"))
                job.put(field.substring(0, field.indexOf('=')), field.substring(field.indexOf('=') + 1));
            switch (job.get("op")) {
                case "client": new Thread(() -> jobClient(job)).start(); break;
                case "server": new Thread(() -> jobServer(job)).start(); break;
                case "stop": listeners.get(job.get("id")).close(); break;
                default: say("answer", job.get("id"), System.getProperty("java.version"));
            }
        }
        System.exit(0);
    }

    public static void main(String[] args) throws Exception {
        if (args[0].equals("jobs")) {
            jobs();
        } else if (args[0].equals("client")) {
            client(args[1], args[2], args[3], args[4], Integer.parseInt(args[5]));
        } else {
            server(args[1], args[2], args[3]);
        }
    }
}
