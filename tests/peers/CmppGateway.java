// A carrier's CMPP gateway for tests: SMSGate (sms-core) speaks, this decides what goes wrong.
//
//   java ... CmppGateway cmpp2=PORT cmpp3=PORT ...      says what it counted when it listens
//
// One port speaks CMPP 2.0, the other 3.0. What happens to a message is in the two digits of its
// destination after the first five (86138 NN ......), see KINDS. Every part that is taken is a line
// of the ledger, written before it is answered, and so is one that is refused, which says by what
// result. Commands come as lines of words on the standard input, each is answered by a line of what
// was counted; when the input ends, so does the process.

import com.chinamobile.cmos.sms.SmsTextMessage;
import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonGenerator;
import com.zx.sms.codec.cmpp.msg.CmppActiveTestRequestMessage;
import com.zx.sms.codec.cmpp.msg.CmppDeliverRequestMessage;
import com.zx.sms.codec.cmpp.msg.CmppDeliverResponseMessage;
import com.zx.sms.codec.cmpp.msg.CmppReportRequestMessage;
import com.zx.sms.codec.cmpp.msg.CmppSubmitRequestMessage;
import com.zx.sms.codec.cmpp.msg.CmppSubmitResponseMessage;
import com.zx.sms.codec.cmpp.msg.CmppTerminateRequestMessage;
import com.zx.sms.codec.cmpp.wap.LongMessageFrameHolder;
import com.zx.sms.codec.cmpp.wap.SmsMessageHolder;
import com.zx.sms.common.util.MsgId;
import com.zx.sms.connect.manager.EndpointEntity;
import com.zx.sms.connect.manager.EndpointManager;
import com.zx.sms.connect.manager.cmpp.CMPPServerChildEndpointEntity;
import com.zx.sms.connect.manager.cmpp.CMPPServerEndpointEntity;
import com.zx.sms.handler.api.AbstractBusinessHandler;
import com.zx.sms.handler.api.BusinessHandlerInterface;
import com.zx.sms.session.cmpp.SessionState;
import io.netty.buffer.Unpooled;
import io.netty.channel.Channel;
import io.netty.channel.ChannelHandler.Sharable;
import io.netty.channel.ChannelHandlerContext;
import java.io.BufferedReader;
import java.io.FileOutputStream;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.StringWriter;
import java.math.BigInteger;
import java.nio.charset.StandardCharsets;
import java.text.SimpleDateFormat;
import java.util.ArrayList;
import java.util.Date;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;

@Sharable
public class CmppGateway extends AbstractBusinessHandler {
  static final String[] KINDS = {
    "", "throttled", "transient", "bad_recipient", "bad_content", "bad_account", "answer_lost",
    "answer_late", "cut", "undelivered", "receipt_lost", "receipt_repeated", "conflicting",
    "receipt_early", "receipt_late", "other_bind", "wrong_network", "part_throttled", "part_lost",
    "bad_sender", "replied", "cut_untaken",
  };
  static final Map<String, Integer> REFUSED = new HashMap<>();

  static {
    REFUSED.put("throttled", 8);
    REFUSED.put("transient", 51);
    REFUSED.put("bad_recipient", 13);
    REFUSED.put("bad_content", 6);
    REFUSED.put("bad_account", 7);
    REFUSED.put("bad_sender", 10);
    REFUSED.put("wrong_network", 9);
  }

  static final int LATE_MS = 1200;              // past the end of a batch of one second
  static final int DISORDER_MS = 250;
  static final short UNANSWERED_S = 600;        // the library would ask again; a new bind is asked

  final JsonFactory json = new JsonFactory();
  final ScheduledExecutorService later = Executors.newSingleThreadScheduledExecutor(task -> {
    Thread thread = new Thread(task, "later");
    thread.setDaemon(true);
    return thread;
  });
  final Map<String, String> options = new HashMap<>();
  final Set<Channel> sessions = new LinkedHashSet<>();            // bound
  final Map<Integer, Owed> owed = new LinkedHashMap<>();          // not acknowledged, by sequence
  final Map<String, Integer> counts = new LinkedHashMap<>();
  final Set<String> refusedOnce = new HashSet<>();
  final int receiptMs;
  FileOutputStream ledger;                      // none: nothing is taken
  List<Runnable> held;                          // answers kept back while the test says so
  long throttledUntilMs;
  int beginning;                                // what was due later in the one before is not

  /** A report or a reply, and the bind that was asked to take it. */
  static class Owed {
    final CmppDeliverRequestMessage message;
    Channel session;

    Owed(CmppDeliverRequestMessage message) {
      this.message = message;
    }
  }

  public static void main(String[] words) throws Exception {
    new CmppGateway(words).run();
  }

  CmppGateway(String[] words) {
    for (String word : words) {
      int at = word.indexOf('=');
      options.put(word.substring(0, at), word.substring(at + 1));
    }
    receiptMs = Integer.parseInt(options.getOrDefault("receipt_ms", "20"));
    begin();
  }

  /** As if nothing had happened yet. */
  void begin() {
    beginning += 1;
    for (Channel session : new ArrayList<>(sessions)) session.close();
    sessions.clear();
    owed.clear();
    refusedOnce.clear();
    held = null;
    throttledUntilMs = 0;
    for (String name : new String[] {"binds", "submits", "taken", "acknowledged", "refused"}) {
      counts.put(name, 0);
    }
  }

  void run() throws Exception {
    for (short version : new short[] {0x20, 0x30}) listen(version);
    tell();
    BufferedReader commands = new BufferedReader(new InputStreamReader(System.in));
    for (String line = commands.readLine(); line != null; line = commands.readLine()) {
      command(line.split(" "));
      tell();
    }
    System.exit(0);
  }

  void listen(short version) throws Exception {
    String name = version == 0x20 ? "cmpp2" : "cmpp3";
    CMPPServerChildEndpointEntity account = new CMPPServerChildEndpointEntity();
    account.setId("account-" + name);
    account.setUserName(options.getOrDefault("source_addr", "901783"));
    account.setPassword(options.getOrDefault("secret", "secret"));
    account.setValid(true);
    account.setVersion(version);
    account.setMaxChannels(Short.parseShort(options.getOrDefault("binds", "100")));
    account.setRetryWaitTimeSec(UNANSWERED_S);
    account.setCloseWhenRetryFailed(false);
    account.setReSendFailMsg(false);
    account.setWindow(1_000_000);
    account.setSupportLongmsg(EndpointEntity.SupportLongMessage.SEND);    // parts as they come
    List<BusinessHandlerInterface> handlers = new ArrayList<>();
    handlers.add(this);
    account.setBusinessHandlerSet(handlers);
    CMPPServerEndpointEntity server = new CMPPServerEndpointEntity() {
      @Override
      public EndpointEntity getChild(String userName) {
        count("binds");
        return super.getChild(userName);
      }
    };
    server.setId(name);
    server.setHost("127.0.0.1");
    server.setPort(Integer.parseInt(options.get(name)));
    server.setValid(true);
    server.addchild(account);
    EndpointManager.INS.addEndpointEntity(server);
    server.getSingletonConnector().open();
  }

  // What comes

  @Override
  public String name() {
    return "gateway";
  }

  @Override
  public void userEventTriggered(ChannelHandlerContext context, Object event) throws Exception {
    if (event == SessionState.Connect) bound(context.channel());
    context.fireUserEventTriggered(event);
  }

  synchronized void bound(Channel session) {
    sessions.add(session);
    for (Owed one : owed.values()) offer(one, session);
  }

  @Override
  public void channelInactive(ChannelHandlerContext context) throws Exception {
    synchronized (this) {
      sessions.remove(context.channel());
      for (Owed one : owed.values()) if (one.session == context.channel()) one.session = null;
    }
    context.fireChannelInactive();
  }

  @Override
  public void channelRead(ChannelHandlerContext context, Object message) throws Exception {
    if (message instanceof CmppSubmitRequestMessage) {
      submit(context.channel(), (CmppSubmitRequestMessage) message);
    } else if (message instanceof CmppDeliverResponseMessage) {
      answered((CmppDeliverResponseMessage) message);
    } else {
      context.fireChannelRead(message);
    }
  }

  /** Taken, malformed, or too much: then the library brings it again by itself. */
  synchronized void answered(CmppDeliverResponseMessage answer) {
    if (answer.getResult() == 8) return;
    owed.remove(answer.getHeader().getSequenceId());
    count(answer.getResult() == 0 ? "acknowledged" : "refused");
  }

  synchronized void submit(Channel session, CmppSubmitRequestMessage submit) throws Exception {
    count("submits");
    String to = submit.getDestterminalId()[0];
    String kind = KINDS[Integer.parseInt(to.substring(5, 7))];
    Integer refusal = ledger == null ? Integer.valueOf(8) : REFUSED.get(kind);
    if (System.currentTimeMillis() < throttledUntilMs) refusal = 8;
    if (kind.equals("part_throttled") && submit.getPknumber() == 2 && refusedOnce.add(to)) {
      refusal = 8;
    }
    if (refusal != null) {
      if (ledger != null) refused(refusal, to);
      session.writeAndFlush(answer(submit, new MsgId(), refusal));
      return;
    }
    if (kind.equals("cut_untaken")) {
      session.close();
      return;
    }
    MsgId id = new MsgId();
    count("taken");
    write(submit, id, to);
    if (kind.equals("cut")) {
      session.close();
      return;
    }
    report(kind, submit, id, session);
    Runnable answer = () -> session.writeAndFlush(answer(submit, id, 0));
    if (kind.equals("answer_lost")) return;
    if (kind.equals("answer_late")) after(LATE_MS, answer);
    else if (held != null) held.add(answer);
    else answer.run();
  }

  CmppSubmitResponseMessage answer(CmppSubmitRequestMessage submit, MsgId id, int result) {
    CmppSubmitResponseMessage answer =
        new CmppSubmitResponseMessage(submit.getHeader().getSequenceId());
    answer.setMsgId(id);
    answer.setResult(result);
    return answer;
  }

  void refused(int result, String to) throws IOException {
    ledger.write(line(generator -> {
      generator.writeNumberField("refused", result);
      generator.writeStringField("to", to);
      generator.writeNumberField("at", System.currentTimeMillis());
    }).getBytes(StandardCharsets.UTF_8));
  }

  /** A line for the part; that of the last to come also has the text the library makes of all. */
  void write(CmppSubmitRequestMessage submit, MsgId id, String to) throws Exception {
    String part = LongMessageFrameHolder.INS.getPartTextMsg(submit.generateFrame());
    String key = submit.getSrcIdAndDestId();
    SmsMessageHolder whole = LongMessageFrameHolder.INS.putAndget(null, key, submit, false);
    String line = line(generator -> {
      generator.writeStringField("id", id.toString());
      generator.writeStringField("to", to);
      generator.writeStringField("from", submit.getSrcId());
      generator.writeNumberField("coding", submit.getMsgfmt().getValue());
      generator.writeNumberField("part", submit.getPknumber());
      generator.writeNumberField("parts", submit.getPktotal());
      generator.writeNumberField("udhi", submit.getTpudhi());
      generator.writeStringField("validity", submit.getValIdTime());
      generator.writeStringField("service", submit.getServiceId());
      generator.writeStringField("source", submit.getMsgsrc());
      generator.writeNumberField("payer", submit.getFeeUserType());
      generator.writeStringField("fee", submit.getFeeType() + " " + submit.getFeeCode());
      generator.writeBooleanField("report", submit.getRegisteredDelivery() == 1);
      generator.writeStringField("text", part);
      if (whole != null) {
        generator.writeStringField("whole", ((SmsTextMessage) whole.getSmsMessage()).getText());
      }
      generator.writeNumberField("at", System.currentTimeMillis());
    });
    ledger.write(line.getBytes(StandardCharsets.UTF_8));
  }

  // What is brought

  void report(String kind, CmppSubmitRequestMessage submit, MsgId id, Channel session) {
    switch (kind) {
      case "receipt_lost":
        return;
      case "undelivered":
        report(receiptMs, submit, id, "MK:0001", session);
        return;
      case "receipt_repeated":
        report(receiptMs, submit, id, "DELIVRD", session);
        report(receiptMs + 20, submit, id, "DELIVRD", session);
        return;
      case "conflicting":
        report(receiptMs, submit, id, "DELIVRD", session);
        report(receiptMs + 20, submit, id, "UNDELIV", session);
        return;
      case "receipt_late":
        report(receiptMs + DISORDER_MS, submit, id, "DELIVRD", session);
        return;
      case "receipt_early":
        report(0, submit, id, "DELIVRD", session);
        return;
      case "other_bind":
        report(receiptMs, submit, id, "DELIVRD", otherThan(session));
        return;
      case "part_lost":
        if (submit.getPknumber() != 2) report(receiptMs, submit, id, "DELIVRD", session);
        return;
      case "replied":
        report(receiptMs, submit, id, "DELIVRD", session);
        CmppDeliverRequestMessage reply =
            reply(submit.getDestterminalId()[0], submit.getSrcId(), "TD 退订");
        after(receiptMs + 20, () -> bring(reply, session));
        return;
      default:
        if (submit.getRegisteredDelivery() == 1) {
          report(receiptMs, submit, id, "DELIVRD", session);
        }
    }
  }

  void report(int ms, CmppSubmitRequestMessage submit, MsgId id, String stat, Channel session) {
    String now = new SimpleDateFormat("yyMMddHHmm").format(new Date());
    CmppReportRequestMessage report = new CmppReportRequestMessage();
    report.setMsgId(id);
    report.setStat(stat);
    report.setSubmitTime(now);
    report.setDoneTime(now);
    report.setDestterminalId(submit.getDestterminalId()[0]);
    CmppDeliverRequestMessage deliver = new CmppDeliverRequestMessage();
    deliver.setMsgId(new MsgId());
    deliver.setDestId(submit.getSrcId());
    deliver.setSrcterminalId(submit.getDestterminalId()[0]);
    deliver.setReportRequestMessage(report);
    if (ms == 0) bring(deliver, session);
    else after(ms, () -> bring(deliver, session));
  }

  static CmppDeliverRequestMessage reply(String from, String to, String text) {
    CmppDeliverRequestMessage reply = new CmppDeliverRequestMessage();
    reply.setMsgId(new MsgId());
    reply.setDestId(to);
    reply.setSrcterminalId(from);
    reply.setMsgContent(text);
    return reply;
  }

  synchronized void bring(CmppDeliverRequestMessage message, Channel preferred) {
    Owed one = new Owed(message);
    owed.put(message.getHeader().getSequenceId(), one);
    offer(one, preferred);
  }

  /** Hand one of what is owed to a bind, if there is one; again when a bind comes. */
  void offer(Owed one, Channel preferred) {
    Channel session = sessions.contains(preferred) ? preferred : otherThan(null);
    if (one.session != null || session == null) return;
    one.session = session;
    session.writeAndFlush(one.message);
  }

  synchronized Channel otherThan(Channel session) {
    for (Channel one : sessions) if (one != session) return one;
    return null;
  }

  void after(int ms, Runnable task) {
    int now = beginning;
    later.schedule(() -> {
      synchronized (this) {
        if (now == beginning) task.run();
      }
    }, ms, TimeUnit.MILLISECONDS);
  }

  // What is told

  synchronized void command(String[] words) throws IOException {
    switch (words[0]) {
      case "ledger":
        begin();
        if (ledger != null) ledger.close();
        ledger = new FileOutputStream(words[1], true);
        break;
      case "hold":
        held = new ArrayList<>();
        break;
      case "release":
        List<Runnable> waiting = held == null ? new ArrayList<>() : held;
        held = null;
        for (Runnable answer : waiting) answer.run();
        break;
      case "cut":
        for (Channel session : new ArrayList<>(sessions)) session.close();
        break;
      case "goodbye":
        for (Channel session : new ArrayList<>(sessions)) {
          session.writeAndFlush(new CmppTerminateRequestMessage());
        }
        break;
      case "throttle":
        throttledUntilMs = System.currentTimeMillis() + Integer.parseInt(words[1]);
        break;
      case "write":
        byte[] octets = octets(words[1]);
        for (Channel session : sessions) {
          session.pipeline().firstContext().writeAndFlush(Unpooled.wrappedBuffer(octets));
        }
        break;
      case "probe":
        for (Channel session : sessions) session.writeAndFlush(new CmppActiveTestRequestMessage());
        break;
      case "flood":
        for (int n = 0; n < Integer.parseInt(words[1]); n += 1) {
          bring(reply("8613800138000", "12123", "TD " + n), null);
        }
        break;
      case "count":
        break;
      default:
        throw new IllegalArgumentException(words[0]);
    }
  }

  synchronized void tell() throws IOException {
    System.out.print(line(generator -> {
      for (Map.Entry<String, Integer> one : counts.entrySet()) {
        generator.writeNumberField(one.getKey(), one.getValue());
      }
      generator.writeNumberField("owed", owed.size());
      generator.writeNumberField("bound", sessions.size());
    }));
    System.out.flush();
  }

  static byte[] octets(String hex) {
    byte[] found = new byte[hex.length() / 2];
    for (int at = 0; at < found.length; at += 1) {
      found[at] = new BigInteger(hex.substring(2 * at, 2 * at + 2), 16).byteValue();
    }
    return found;
  }

  synchronized void count(String name) {
    counts.merge(name, 1, Integer::sum);
  }

  interface Fields {
    void write(JsonGenerator generator) throws IOException;
  }

  String line(Fields fields) throws IOException {
    StringWriter written = new StringWriter();
    try (JsonGenerator generator = json.createGenerator(written)) {
      generator.writeStartObject();
      fields.write(generator);
      generator.writeEndObject();
    } catch (Exception error) {
      throw new IOException(error);
    }
    return written + "\n";
  }
}
