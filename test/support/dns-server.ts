import { createSocket, type RemoteInfo, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { createServer, type AddressInfo, type Server } from 'node:net';
import { decode, encode, streamDecode, streamEncode, type Answer, type Packet } from 'dns-packet';

export type DnsType = 'A' | 'AAAA';
/** What is answered to a question for a name: records, a code, or nothing at all. */
export type DnsReply = readonly Answer[] | 'NXDOMAIN' | 'SERVFAIL' | 'silence';
/** Of a name; `nth` counts its questions of this type from 1. */
export type DnsZone = (type: DnsType, nth: number) => DnsReply;

export interface DnsServer {
  /** As `EXT_EGRESS_DNS_SERVERS` takes it. */
  address: string;
  /** What was asked, such as `A public.test`. */
  asked: string[];
  /** Answers for a name from now on. */
  serve(name: string, zone: DnsZone): void;
  close(): Promise<void>;
}

/** Records for a name, each with a life of nothing, so that whoever asks again asks here. */
export function addresses(name: string, ...of: string[]): DnsZone {
  return (type) =>
    of
      .filter((address) => address.includes(':') === (type === 'AAAA'))
      .map((data): Answer => ({ name, type, ttl: 0, data }));
}

/** A name server on loopback, over UDP and TCP; names that it does not know are not there. */
export async function startDnsServer(): Promise<DnsServer> {
  const zones = new Map<string, DnsZone>();
  const asked: string[] = [];

  const answer = (query: Packet): Packet | undefined => {
    const [question] = query.questions ?? [];
    if (!question) return undefined;
    const name = question.name.toLowerCase();
    const line = `${question.type} ${name}`;
    asked.push(line);
    const nth = asked.filter((earlier) => earlier === line).length;
    const reply = zones.get(name)?.(question.type as DnsType, nth) ?? 'NXDOMAIN';
    if (reply === 'silence') return undefined;
    const code = { NXDOMAIN: 3, SERVFAIL: 2 }[reply as 'NXDOMAIN' | 'SERVFAIL'] as number | undefined;
    return {
      type: 'response',
      id: query.id ?? 0,
      flags: 0x0180 | (code ?? 0),
      questions: [question],
      answers: code === undefined ? [...(reply as readonly Answer[])] : [],
    };
  };

  const tcp = createServer((socket) => {
    let received = Buffer.alloc(0);
    socket.on('error', () => socket.destroy());
    socket.on('data', (chunk: Buffer) => {
      received = Buffer.concat([received, chunk]);
      if (received.byteLength < 2 || received.byteLength < received.readUInt16BE(0) + 2) return;
      const response = answer(streamDecode(received));
      if (response) socket.end(streamEncode(response));
    });
  });
  const answerTo = (udp: Socket) => (message: Buffer, from: RemoteInfo) => {
    const response = answer(decode(message));
    if (!response) return;
    const bytes = encode(response);
    const isLarge = bytes.byteLength > 1_200;
    // Cut off, so that it is asked for over TCP.
    const sent = isLarge
      ? encode({ ...response, flags: (response.flags ?? 0) | 0x0200, answers: [] })
      : bytes;
    udp.send(sent, from.port, from.address);
  };
  const { port, udp } = await listenToBoth(tcp);
  udp.on('message', answerTo(udp));

  return {
    address: `127.0.0.1:${port}`,
    asked,
    serve: (name, zone) => void zones.set(name, zone),
    async close() {
      udp.close();
      tcp.close();
      await once(tcp, 'close');
    },
  };
}

/** At one port, which the system chose for TCP: somebody may have it for UDP, and then it is another. */
async function listenToBoth(tcp: Server): Promise<{ port: number; udp: Socket }> {
  for (;;) {
    await once(tcp.listen(0, '127.0.0.1'), 'listening');
    const { port } = tcp.address() as AddressInfo;
    const udp = createSocket('udp4');
    try {
      await once(udp.bind(port, '127.0.0.1'), 'listening');
      return { port, udp };
    } catch (cause) {
      if ((cause as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw cause;
      udp.close();
      await once(tcp.close(), 'close');
    }
  }
}
