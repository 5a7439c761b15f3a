import javax.net.ssl.SSLParameters;
import javax.net.ssl.SSLSocket;
import javax.net.ssl.SSLSocketFactory;

/** Does Java, as it is, trust the server at localhost:PORT? */
class Trusts {
    public static void main(String[] args) throws Exception {
        try (var socket = (SSLSocket) SSLSocketFactory.getDefault().createSocket("localhost", Integer.parseInt(args[0]))) {
            SSLParameters parameters = socket.getSSLParameters();
            parameters.setEndpointIdentificationAlgorithm("HTTPS");
            socket.setSSLParameters(parameters);
            socket.startHandshake();
            System.out.println("trusted");
        } catch (javax.net.ssl.SSLHandshakeException e) {
            System.out.println("not trusted: " + e.getMessage());
        }
    }
}
