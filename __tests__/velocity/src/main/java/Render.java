import com.jayway.jsonpath.Configuration;
import com.jayway.jsonpath.JsonPath;
import com.jayway.jsonpath.Option;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.io.StringWriter;
import java.net.URLDecoder;
import java.net.URLEncoder;
import java.nio.charset.StandardCharsets;
import java.util.Base64;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.TreeMap;
import net.minidev.json.JSONObject;
import net.minidev.json.JSONStyle;
import net.minidev.json.JSONValue;
import net.minidev.json.parser.JSONParser;
import net.minidev.json.parser.ParseException;
import org.apache.commons.lang.StringEscapeUtils;
import org.apache.velocity.VelocityContext;
import org.apache.velocity.app.VelocityEngine;
import org.apache.velocity.runtime.log.NullLogChute;

/**
 * Renders one template per line of standard input with Apache Velocity.
 *
 * A line is {"template", "body", "headers": {...}, "context": {...}}, its answer {"output", "status", "headers"}
 * or {"error"}, where status and headers are what the template wrote to $context.responseOverride.
 */
public class Render {
  public static void main(String[] arguments) throws Exception {
    VelocityEngine engine = new VelocityEngine();
    engine.setProperty("runtime.log.logsystem.class", NullLogChute.class.getName());
    engine.init();
    BufferedReader lines = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
    PrintStream answers = new PrintStream(System.out, false, StandardCharsets.UTF_8);
    for (String line = lines.readLine(); line != null; line = lines.readLine()) {
      answers.println(JSONValue.toJSONString(render(engine, (JSONObject) parse(line)), JSONStyle.NO_COMPRESS));
      answers.flush();
    }
  }

  private static Map<String, Object> render(VelocityEngine engine, JSONObject request) {
    Map<String, Object> answer = new LinkedHashMap<>();
    try {
      Map<String, Object> headers = new TreeMap<>();
      Map<String, Object> override = new HashMap<>();
      override.put("header", headers);
      Map<String, Object> context = new HashMap<>(asMap(request.get("context")));
      context.put("responseOverride", override);
      VelocityContext variables = new VelocityContext();
      variables.put("input", new Input((String) request.get("body"), asMap(request.get("headers"))));
      variables.put("util", new Util());
      variables.put("context", context);
      StringWriter output = new StringWriter();
      engine.evaluate(variables, output, "template", (String) request.get("template"));
      answer.put("output", output.toString());
      answer.put("status", override.get("status"));
      answer.put("headers", headers);
    } catch (Exception error) {
      answer.put("error", error.getMessage());
    }
    return answer;
  }

  /** Lenient, so that a body that is no JSON is one string; but by default that mode also drops U+007F from strings. */
  private static Object parse(String text) {
    try {
      int mode = JSONParser.MODE_PERMISSIVE & ~JSONParser.IGNORE_CONTROL_CHAR & ~JSONParser.REJECT_127_CHAR;
      return new JSONParser(mode).parse(text);
    } catch (ParseException error) {
      return text;
    }
  }

  @SuppressWarnings("unchecked")
  private static Map<String, Object> asMap(Object value) {
    return (Map<String, Object>) value;
  }

  /** $input of API Gateway: an empty body renders {}, a path that leads nowhere is null. */
  public static class Input {
    private static final Configuration LENIENT =
        Configuration.defaultConfiguration().addOptions(Option.SUPPRESS_EXCEPTIONS, Option.DEFAULT_PATH_LEAF_TO_NULL);
    private final String body;
    private final Map<String, Object> headers;
    private Object document;

    Input(String body, Map<String, Object> headers) {
      this.body = body.isEmpty() ? "{}" : body;
      this.headers = headers;
    }

    public String getBody() {
      return body;
    }

    public Object path(String path) {
      if (document == null) document = parse(body);
      if (document == null) return null;
      return JsonPath.using(LENIENT).parse(document).read(path);
    }

    public String json(String path) {
      return JSONValue.toJSONString(path(path), JSONStyle.NO_COMPRESS);
    }

    public Map<String, Object> params() {
      Map<String, Object> all = new LinkedHashMap<>();
      all.put("header", headers);
      all.put("path", new LinkedHashMap<>());
      all.put("querystring", new LinkedHashMap<>());
      return all;
    }
  }

  /** $util of API Gateway. */
  public static class Util {
    public String urlEncode(String text) throws Exception {
      return URLEncoder.encode(text, "UTF-8");
    }

    public String urlDecode(String text) throws Exception {
      return URLDecoder.decode(text, "UTF-8");
    }

    public String escapeJavaScript(String text) {
      return StringEscapeUtils.escapeJavaScript(text);
    }

    public String base64Encode(String text) {
      return Base64.getEncoder().encodeToString(text.getBytes(StandardCharsets.UTF_8));
    }

    public String base64Decode(String text) {
      return new String(Base64.getDecoder().decode(text), StandardCharsets.UTF_8);
    }

    public Object parseJson(String text) {
      return parse(text);
    }
  }
}
