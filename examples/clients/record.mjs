// Builds URLs with JavaScript clients of imgproxy and prints what they are and what they mean; see README.md.
import { createRequire } from "node:module";
import { readFileSync } from "node:fs";
import builder from "@bitpatty/imgproxy-url-builder";

const require = createRequire(import.meta.url);
const { generateUrl } = require("@imgproxy/imgproxy-js-core");
const { generateImageUrl } = require("@imgproxy/imgproxy-node");
const { default: Imgproxy } = require("imgproxy");

const key = "943b421c9eb07c830af81030552c86009268de4e532ba2ee2eab8247c6da0881";
const salt = "520f986b998545b4785e0defbc4f3c1203f22de2374a3d53cb7a7fe9fea309c5";
const encryptKey = "1eb5b0e971ad7f45324c1bb15c947cb207c43152fa5c6c7f35c4f36e0c18e0f1";
const endpoint = "https://img.example.com/";
const cat = "https://example.com/images/cat.jpg";
const query = "https://example.com/a b.jpg?size=1&x=%20@2";

// Bugs of clients, on which imgproxy answers an error and so does tintype.
const REFUSED = null;

const record = (client, call, options, source, url) => {
  const means = options === REFUSED ? null : { options, source };
  const { version } = JSON.parse(readFileSync(new URL(`node_modules/${client}/package.json`, import.meta.url)));
  console.log(JSON.stringify({ client, version, call, means, url: url.replace(/^https:\/\/img\.example\.com/, "") }));
};

// [what the options are, as the client takes them; what they mean]
const calls = [
  [{ resizing_type: "fit", width: 300, gravity: { type: "no" }, enlarge: 1 }, "rs:fit:300:0:1/g:no"],
  [{ resize: { resizing_type: "fill", width: 300, height: 200, enlarge: true } }, "rs:fill:300:200:1"],
  [{ resize: { resizing_type: "fill", width: 300, height: 200, extend: { extend: true } } }, "rs:fill:300:200/ex:1"],
  [{ size: { width: 300, height: 200 } }, "rs:fit:300:200"],
  [{ width: 100, height: 50, resizing_type: "fill-down" }, "rs:fill-down:100:50"],
  [{ width: 100, min_width: 400 }, "rs:fit:100/mw:400"],
  [{ min_height: 400 }, "mh:400"],
  [{ width: 100, zoom: 1.5 }, "rs:fit:100/z:1.5"],
  [{ width: 100, zoom: { zoom_x: 1.5, zoom_y: 2 } }, "rs:fit:100/z:1.5:2"],
  [{ width: 100, dpr: 2 }, "rs:fit:100/dpr:2"],
  [{ width: 100, height: 100, extend: { extend: true, gravity: { type: "so" } } }, "rs:fit:100:100/ex:1:so"],
  [{ width: 100, height: 50, extend_aspect_ratio: { extend: true } }, "rs:fit:100:50/exar:1"],
  [{ width: 9, height: 9, resizing_type: "fill", gravity: { type: "sm" } }, "rs:fill:9:9/g:sm"],
  [{ width: 9, height: 9, resizing_type: "fill", gravity: { type: "fp", x: 0.25, y: 0.75 } }, "rs:fill:9:9/g:fp:0.25:0.75"],
  [{ width: 9, height: 9, resizing_type: "fill", gravity: { type: "nowe", x_offset: 5, y_offset: 0.1 } }, "rs:fill:9:9/g:nowe:5:0.1"],
  [{ crop: { width: 200, height: 0.5, gravity: { type: "soea", x_offset: 3, y_offset: 4 } } }, "c:200:0.5:soea:3:4"],
  [{ crop: { width: 200, height: 100 } }, "c:200:100"],
  [{ trim: { threshold: 10, color: "ffffff", equal_hor: true, equal_ver: false } }, "t:10:ffffff:1"],
  [{ trim: { threshold: 10 } }, "t:10"],
  [{ padding: { top: 10, right: 20, bottom: 30, left: 40 } }, "pd:10:20:30:40"],
  [{ padding: { top: 10, right: 20 } }, "pd:10:20"],
  [{ padding: { right: 20 } }, "pd:0:20:0"],
  [{ auto_rotate: true }, ""],
  [{ auto_rotate: false }, "ar:0"],
  [{ rotate: 90 }, "rot:90"],
  [{ flip: { horizontal: true } }, "fl:1"],
  [{ background: "ff8800" }, "bg:ff8800"],
  [{ background: { r: 255, g: 136, b: 0 } }, "bg:ff8800"],
  [{ blur: 2.5, sharpen: 0.5, pixelate: 4 }, "bl:2.5/sh:0.5/pix:4"],
  [{ watermark: { opacity: 0.5, position: "soea", x_offset: 10, y_offset: 5, scale: 0.2 } }, "wm:0.5:soea:10:5:0.2"],
  [{ watermark: { opacity: 0.5 } }, "wm:0.5"],
  [{ watermark: { opacity: 0.5, position: "re", scale: 0.2 } }, "wm:0.5:re:0:0:0.2"],
  [{ strip_metadata: true, keep_copyright: false, strip_color_profile: true, enforce_thumbnail: true }, "sm:1/kcr:0/scp:1/eth:1"],
  [{ quality: 70, max_bytes: 60000 }, "q:70/mb:60000"],
  [{ format_quality: [{ format: "webp", quality: 70 }, { format: "jpg", quality: 80 }] }, "fq:jpg:80:webp:70"],
  [{ format: "webp" }, "f:webp"],
  [{ skip_processing: ["svg", "gif"] }, REFUSED], // it writes "sp", which imgproxy does not know either
  [{ raw: true }, "raw:1"],
  [{ cachebuster: "v17" }, "cb:v17"],
  [{ expires: 4102444800 }, "exp:4102444800"],
  [{ filename: { name: "holiday" } }, "fn:holiday"],
  [{ filename: { name: "YSBi", encoded: true } }, "fn:YSBi:1"],
  [{ return_attachment: true }, "att:1"],
  [{ preset: ["thumb", "sharp"] }, "pr:thumb:sharp"],
  [{ max_src_resolution: 20, max_result_dimension: 4000 }, "msr:20/mrd:4000"],
];

for (const [options, means] of calls) {
  const path = generateUrl({ value: cat, type: "plain" }, options);
  record("@imgproxy/imgproxy-js-core", { options }, means, cat, `/unsafe${path}`);
  const url = generateImageUrl({ endpoint, url: cat, options, key, salt });
  record("@imgproxy/imgproxy-node", { options }, means, cat, url);
}
for (const displayAs of ["base64", "plain"]) {
  const url = generateImageUrl({ endpoint, url: { value: query, displayAs }, options: { width: 9 }, key, salt });
  // Plain sources are not escaped, so that a query is cut off before the signature is checked.
  record("@imgproxy/imgproxy-node", { displayAs, query }, displayAs === "plain" ? REFUSED : "rs:fit:9", query, url);
}
const encrypted = generateImageUrl({
  endpoint, url: { value: cat, displayAs: "encrypted" }, options: { width: 9 }, key, salt,
  encryptKey, encryptIV: "00112233445566778899aabbccddeeff",
});
record("@imgproxy/imgproxy-node", { displayAs: "encrypted" }, "rs:fit:9", cat, encrypted);

for (const encode of [true, false]) {
  const made = () => new Imgproxy({ baseUrl: endpoint, key, salt, encode }).builder();
  const say = (call, means, url) => record("imgproxy", { encode, call }, means, cat, url);
  say("resize gravity dpr", "rs:fill:300:200/dpr:2/g:noea", made().resize("fill", 300, 200, 0).gravity("noea").dpr(2).generateUrl(cat));
  say("resize without height", "rs:fit:300/f:png", made().resize("fit", 300).generateUrl(cat, "png"));
  say("focus point", "rs:fill:9:9/g:fp:0.2:0.4", made().resize("fill", 9, 9).gravity({ x: 0.2, y: 0.4 }).generateUrl(cat));
  say("crop offset", "c:90:80:so:3:4", made().crop(90, 80, { type: "so", xOffset: 3, yOffset: 4 }).generateUrl(cat));
  say("quality background", "bg:336699/q:50", made().quality(50).background({ r: 51, g: 102, b: 153 }).generateUrl(cat));
  say("no option at all", "", made().generateUrl(cat));
}

const path = (modifiers, plain) => modifiers.build({ path: cat, plain, signature: { key, salt } });
for (const plain of [true, false]) {
  const say = (call, means, modifiers) =>
    record("@bitpatty/imgproxy-url-builder", { plain, call }, means, cat, path(modifiers, plain));
  say("rotate blur", "rot:90/bl:10", builder().rotate(90).blur(10));
  say("resize", "rs:fill:300:200:1", builder().resize({ type: "fill", width: 300, height: 200 }).enlarge());
  say("resize width only", "rs:fit:300", builder().resize({ width: 300 }));
  say("gravity", "rs:fill:9:9/g:so:1:2", builder().resize({ type: "fill", width: 9, height: 9 }).gravity({ type: "so", offset: { x: 1, y: 2 } }));
  say("crop", "c:0.5:100", builder().crop({ width: 0.5, height: 100 }));
  say("pad", "pd:1:2:3:4", builder().pad({ top: 1, right: 2, bottom: 3, left: 4 }));
  say("trim", "t:5:ff00ff:1", builder().trim({ threshold: 5, color: "ff00ff", equal: { horizontal: true } }));
  say("background", "bg:ff0000", builder().background({ r: 255, g: 0, b: 0 }));
  say("format quality", "f:avif/q:40", builder().format("avif").quality(40));
  say("watermark", "wm:0.4:no:5:6:0.1", builder().watermark({ opacity: 0.4, position: "no", offset: { x: 5, y: 6 }, scale: 0.1 }));
  say("zoom of two", REFUSED /* a space for the colon */, builder().resize({ width: 9 }).zoom([2, 3]));
  say("expires attachment", "exp:4102444800/att:1", builder().expires(4102444800).returnAttachment());
  say("extend", "rs:fit:90:80/ex:1:no", builder().resize({ width: 90, height: 80 }).extend({ gravity: { type: "no" } }));
}
