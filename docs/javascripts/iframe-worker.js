// Search in pages that are opened from the disk. Browsers start no worker there, so its script runs in a hidden frame instead.
if (location.protocol === "file:") {
  window.Worker = class extends EventTarget {
    constructor(url) {
      super()
      const frame = document.createElement("iframe")
      frame.hidden = true
      document.body.append(frame)
      this.inside = frame.contentWindow
      const load = (source) =>
        new Promise((resolve) => {
          const script = frame.contentDocument.createElement("script")
          script.src = source
          script.onload = resolve
          frame.contentDocument.body.append(script)
        })
      this.inside.importScripts = (...sources) => Promise.all(sources.map(load))
      this.inside.postMessage = (data) => this.dispatchEvent(new MessageEvent("message", { data }))
      this.ready = load(url)
    }

    postMessage(data) {
      this.ready.then(() => this.inside.dispatchEvent(new MessageEvent("message", { data })))
    }
  }
}
